# The studies of papers/make.sh. Sourced, in results/, with `study`. Sets its job, the share of samples held out in trials,
# the targets and the settings of all trials, and defines a function of its name that prints its entrants.

more=() place=() # settings of all trials; where the data lie, which no ENTRANT.toml says
case $study in
  taylor-higgs)
    job=../jobs/taylor-2016/higgs.toml held=0.2 targets=(0.64 0.66)
    data=runs/higgs-rows
    [ -d $data ] || "$python" papers/higgs.py "${HIGGS_ROWS:?names the folder that higgs.py reads}" $data
    place=("data.path=$PWD/$data")
    ;;
  taylor-mnist | taylor-binary)
    job=../jobs/mnist-taylor.toml held=0.2 targets=(0.93 0.97) more=("save.every=0")
    [ $study = taylor-mnist ] || { more+=("data.classes=[4,9]") targets=(0.97 0.98); }
    ;;
  dladmm-mnist | dladmm-fashion)
    job=../jobs/mnist-dladmm.toml held=0.2 targets=(0.899 0.95)
    [ $study = dladmm-mnist ] || { more=("data.name=fashion-mnist") targets=(0.80 0.85); }
    ;;
  pdadmm-mnist | pdadmm-fashion | pdadmm-cifar | shallow-mnist | shallow-fashion | shallow-cifar)
    job=../jobs/pdadmm-2020/accuracy-pdadmm.toml held=0.2 targets=(0.90 0.95) more=("data.downsample=2")
    [[ $study = shallow-* ]] || more+=("network.hidden=[500,500,500,500,500,500,500,500,500]")
    [[ $study != *-fashion ]] || { more+=("data.name=fashion-mnist") targets=(0.80 0.85); }
    [[ $study != *-cifar ]] || { more+=("data.name=cifar-10") targets=(0.35 0.40); }
    ;;
  *)
    echo "known studies: taylor-higgs, taylor-mnist, taylor-binary, and {dladmm,pdadmm,shallow}-{mnist,fashion}, {pdadmm,shallow}-cifar" >&2
    exit 2
    ;;
esac

# NAME | settings of the job | what is varied | settings with all samples
taylor-higgs() {
  local rate="solver.rate=log:1e-4:1e-1 solver.batch=choice:64,256,1024" steps="evaluate.every=50 stop.iterations=1500"
  local linear="network.hidden=[] solver.name=unwrapped penalty.name=l2" strength="penalty.strength=log:1e-6:1e-1"
  cat << END
taylor | solver.name=taylor | solver.beta=log:0.1:10 solver.gamma=log:1:100 solver.ridge=log:1e-4:1e-1
mpadmm | solver.name=mpadmm solver.batch=2000 stop.iterations=200 | solver.delta=log:0.1:10 solver.batch=choice:1000,2000,4000 solver.decay=log:1e-5:1e-2 solver.average=choice:0.0,0.8
sgd | solver.name=sgd solver.momentum=0.9 $steps | $rate
adam | solver.name=adam $steps | $rate solver.decay=log:1e-6:1e-2
lbfgs | solver.name=lbfgs stop.iterations=400 evaluate.every=5 | solver.decay=log:1e-6:1e-2
cg | solver.name=cg stop.iterations=400 evaluate.every=5 | solver.decay=log:1e-6:1e-2
logistic | $linear loss.name=logistic penalty.strength=1e-3 | $strength
svm | $linear penalty.strength=1e-3 | $strength
END
}

# Taylor et al.: 784-300-10, hinge; tuned on `trial` of the `samples`. The rates of sgd and adam fall to 0 in five epochs.
taylor() {
  local first=data.first=$trial all=data.first=$samples decay="solver.decay=log:1e-6:1e-2"
  local epochs="solver.schedule=cosine solver.period=5 solver.batch=128"
  local steps="$epochs stop.iterations=$((5 * trial * 4 / 5 / 128)) evaluate.every=25"
  local longer="$all stop.iterations=$((5 * samples / 128)) evaluate.every=67"
  cat << END
taylor | $first evaluate.every=2 | solver.beta=log:0.1:10 solver.gamma=log:1:100 solver.ridge=log:1e-4:1e-1 | $all
mpadmm | $first solver.name=mpadmm evaluate.every=1 | solver.delta=log:0.1:10 solver.eta=log:1:10 | $all
sgd | $first solver.name=sgd solver.momentum=0.9 solver.rate=0.09 $steps | solver.rate=log:1e-2:1 $decay | $longer
adam | $first solver.name=adam $steps | solver.rate=log:1e-4:1e-2 $decay | $longer
lbfgs | $first solver.name=lbfgs stop.iterations=120 | $decay | $all
cg | $first solver.name=cg stop.iterations=60 | $decay | $all
linear | $first solver.name=lbfgs network.hidden=[] stop.iterations=120 | $decay | $all
END
}
taylor-mnist() { trial=20000 samples=60000 taylor; }
taylor-binary() { trial=8000 samples=11791 taylor; }

# dlADMM: 784-1000-1000-10. NAME-paper has the paper's rates, with all samples in each step.
dladmm() {
  local whole="solver.batch=5000 stop.iterations=60" steps="solver.batch=128 stop.iterations=600 evaluate.every=50"
  local batch="solver.batch=choice:64,128,256" sized="data.first=$samples"
  local longer="$sized stop.iterations=4000 evaluate.every=200" all="$sized stop.iterations=200"
  cat << END
dladmm | | solver.nu=log:1:100 solver.rho=log:1e-7:1e-3 | $all
dladmm-paper | solver.nu=1e-6 solver.rho=1e-6 solver.schedule=every solver.init=normal | | $all
adam | solver.name=adam $steps | solver.rate=log:1e-4:1e-2 $batch | $longer
adadelta | solver.name=adadelta $steps | solver.rate=log:0.1:10 $batch | $longer
adagrad | solver.name=adagrad $steps | solver.rate=log:1e-3:1e-1 $batch | $longer
gd | solver.name=gd | solver.rate=log:0.03:3 | $all
adam-paper | solver.name=adam solver.rate=1e-3 $whole | | $all solver.batch=$samples
adadelta-paper | solver.name=adadelta solver.rate=0.1 $whole | | $all solver.batch=$samples
adagrad-paper | solver.name=adagrad solver.rate=1e-3 $whole | | $all solver.batch=$samples
gd-paper | solver.name=gd solver.rate=1e-6 | | $all
mpadmm | solver.name=mpadmm solver.batch=2000 evaluate.every=2 | solver.delta=log:0.1:10 solver.batch=choice:1000,2000,4000 | $sized stop.iterations=200
taylor | solver.name=taylor loss.name=hinge | solver.beta=log:0.1:10 solver.gamma=log:1:100 | $sized
END
}
dladmm-mnist() { samples=55000 dladmm; }
dladmm-fashion() { samples=60000 dladmm; }

# pdADMM: nine hidden layers of 500, or two of 300 (shallow); images of half the size; tuned on 4,000 samples.
pdadmm() {
  local steps="solver.batch=128 stop.iterations=600 evaluate.every=50"
  local batch="solver.batch=choice:64,128,256" small="data.first=4000" sized="data.first=$samples"
  local longer="$sized stop.iterations=$((samples / 10)) evaluate.every=$((samples / 200))" all="$sized stop.iterations=100"
  cat << END
pdadmm | $small stop.iterations=40 | solver.nu=log:1e-2:10 solver.rho=log:1e-2:10 solver.ridge=log:1e-4:1e-1 | $all
pdadmm-paper | $small solver.nu=1e-4 solver.rho=1e-4 solver.update=backtracking solver.init=normal | | $all
dladmm | $small solver.name=dladmm solver.nu=10 solver.rho=1e-6 stop.iterations=40 | solver.nu=log:1:100 solver.rho=log:1e-7:1e-3 | $all
adam | $small solver.name=adam $steps | solver.rate=log:1e-4:1e-2 $batch | $longer
adadelta | $small solver.name=adadelta $steps | solver.rate=log:0.1:10 $batch | $longer
adagrad | $small solver.name=adagrad $steps | solver.rate=log:1e-3:1e-1 $batch | $longer
gd | $small solver.name=gd stop.iterations=100 | solver.rate=log:0.01:3 | $all
adam-paper | $small solver.name=adam solver.rate=1e-3 solver.batch=1000 | | $all solver.batch=$samples
adadelta-paper | $small solver.name=adadelta solver.rate=1.0 solver.batch=1000 | | $all solver.batch=$samples
adagrad-paper | $small solver.name=adagrad solver.rate=0.1 solver.batch=1000 | | $all solver.batch=$samples
gd-paper | $small solver.name=gd solver.rate=0.01 | | $all
mpadmm | $small solver.name=mpadmm solver.batch=2000 evaluate.every=2 | solver.delta=log:0.1:10 solver.batch=choice:1000,2000,4000 | $sized stop.iterations=200
taylor | $small solver.name=taylor loss.name=hinge stop.iterations=40 | solver.beta=log:0.1:10 solver.gamma=log:1:100 | $sized stop.iterations=60
linear | $small solver.name=unwrapped network.hidden=[] penalty.name=l2 penalty.strength=1e-3 | penalty.strength=log:1e-6:1e-1 | $sized
END
}
pdadmm-mnist() { samples=55000 pdadmm; }
pdadmm-fashion() { samples=60000 pdadmm; }
pdadmm-cifar() { samples=12000 pdadmm; }
shallow-mnist() { samples=10000 pdadmm; }
shallow-fashion() { samples=10000 pdadmm; }
shallow-cifar() { samples=10000 pdadmm; }
