"""Predicted seconds of an iteration on any number of ranks, from the rates of a machine and the bill of a solver.

A bill is a list of operations. A machine (`machine`, measured by `probe`) and a network (`fabric`) give the seconds of
each; a few factors (`fit`) are fitted to measured points and tested on points left out.
"""
