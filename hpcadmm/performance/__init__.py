"""How long an iteration takes on any number of ranks: what this machine does in a second, and what a solver asks.

A solver's bill (`costs`) is a list of operations; a machine (`machine`, measured by `probe`) and a network (`fabric`)
give each its seconds; a few factors (`fit`) are fitted to measured points, and tested on points left out (`validate`).
"""
