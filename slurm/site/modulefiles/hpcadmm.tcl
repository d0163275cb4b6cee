#%Module
# Environment Modules, and Lmod: install as <modulefiles>/hpcadmm/<version>. The name of the file is the version.
set version [file tail [module-info name]]
set prefix [file join /opt/hpcadmm $version] ;# the virtual environment

proc ModulesHelp {} {
    puts stderr "hpcadmm trains multilayer perceptrons and linear models by ADMM under MPI: hpcadmm --help"
}
module-whatis "Name: hpcadmm"
module-whatis "Version: $version"
module-whatis "Description: Train perceptrons and linear models by ADMM on any number of MPI ranks"
conflict hpcadmm

if {[module-info mode load] && ![file isdirectory $prefix]} {
    puts stderr "hpcadmm/$version: $prefix is missing"
    exit 1
}
# prereq mpich ;# the cluster's MPI, if hpcadmm was installed without one
# setenv HPCADMM_DATA /data/hpcadmm ;# the folder of datasets that all users share
prepend-path PATH [file join $prefix bin]
