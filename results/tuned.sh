# What the scripts share that tune entrants and race them: words of a command. Sourced.

# flags OPTION WORD...: the option before each word.
flags() { for word in "${@:2}"; do printf '%s\n%s\n' "$1" "$word"; done; }

# chosen NAME ENTRANT...: is this one of them, or are there none?
chosen() { [ $# = 1 ] || [[ " ${*:2} " == *" $1 "* ]]; }

# raced FOLDER ENTRANT...: of the entrants on standard input, the job in FOLDER of each that was tuned and is chosen.
raced() {
  local name
  while IFS='|' read -r name _; do
    name=${name// /}
    if chosen "$name" "${@:2}" && [ -f "$1/$name.toml" ]; then echo "$1/$name.toml"; fi
  done
}

# said: of a tuning or a race, a line for each run, and errors.
said() { grep -E '^[0-9]+ of|^Error' || true; }
