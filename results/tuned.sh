# What the scripts share that tune entrants and race them. Sourced, in results/; `program` is hpcadmm.

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
said() { grep --line-buffered -E '^[0-9]+ of|^Error' || true; }

# tuned FOLDER NAME JOB OPTION...: the trials of an entrant. FOLDER keeps their table and, as NAME.toml, the best, without
# the path of its data.
tuned() {
  local out=tune/$1/$2
  mkdir -p "$1/trials"
  "$program" tune "${@:3}" --out "$out" | said || [ $? = 1 ]
  cp "$out/table.csv" "$1/trials/$2.csv"
  if [ -f "$out/best.toml" ]; then
    grep -v '^path = ' "$out/best.toml" > "$1/$2.toml"
  else
    echo "$2 has no finished trial, so it does not race"
  fi
}
