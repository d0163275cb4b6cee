#!/usr/bin/env bash
# Claims of the papers that no figure of theirs shows: see README.md. HPCADMM names the program, PYTHON its interpreter, which needs
# matplotlib; HPCADMM_DATA the folder of the data. One core; no part measures time. start, stages and depth go on where they
# were stopped; the other parts begin anew.
#
#   make.sh milder     the Lagrangian of pdadmm for every activation and loss: 6 minutes
#   make.sh rates      how fast the steps of dladmm and pdadmm shrink: 15 minutes
#   make.sh start      gradients of nine hidden layers, and accuracy from these starts: 15 minutes
#   make.sh stages     pdadmm with nine hidden layers at once and added step by step: 2 minutes
#   make.sh depth      1 to 9 hidden layers, pdadmm and adam: 10 minutes
#   make.sh gaussian   Taylor's ADMM from a forward pass and from Gaussian a and z, five seeds: 3 minutes
#   make.sh ranks      modelled seconds of SGD on 500 and 1,500 ranks
set -euo pipefail
cd "$(dirname "$0")"
. ../programs.sh
unset OPENBLAS_CORETYPE OPENBLAS_L2_SIZE # kernels that are forced are not those of a user
export OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1
jobs=../../jobs
small=(data.first=2000 data.first_test=1000 'network.hidden=[100,100]')
pdadmm=$jobs/pdadmm-2020/convergence-pdadmm.toml dladmm=$jobs/dladmm-2019/convergence-dladmm.toml

case ${1:-} in
  milder) "$python" milder.py milder.csv $pdadmm "${small[@]}" stop.iterations=300 ;;
  rates)
    "$python" rates.py rates-pdadmm.csv $pdadmm "${small[@]}" stop.iterations=3000
    "$python" rates.py rates-dladmm.csv $dladmm "${small[@]}" solver.rho=1.1 stop.iterations=3000
    "$python" draw.py rates.png rates-pdadmm.csv rates-dladmm.csv ;;
  start) "$python" deep.py start start data.first=2500 ;;
  stages | depth) "$python" deep.py "$1" "$1" ;;
  gaussian)
    "$program" compare $jobs/mnist-taylor.toml $jobs/mnist-taylor.toml:name=gaussian:solver.init=gaussian \
      --set save.every=0 --set data.first=10000 --ranks 1 --repeat 5 --out ../compare/claims/gaussian
    cp ../compare/claims/gaussian/summary.csv gaussian.csv ;;
  ranks) "$python" ranks.py ranks.csv $jobs/taylor-2016/accuracy-sgd.toml ../scaling/machine.json 100g gigabit.toml ;;
  *) sed -n '2,12s/^# \?//p' "$(basename "$0")" && exit 2 ;;
esac
