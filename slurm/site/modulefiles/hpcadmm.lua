-- Lmod: install as <modulefiles>/hpcadmm/<version>.lua. The name of the file is the version.
local version = myModuleVersion()
local prefix = pathJoin("/opt/hpcadmm", version) -- the virtual environment

help("hpcadmm trains multilayer perceptrons and linear models by ADMM under MPI: hpcadmm --help")
whatis("Name: hpcadmm")
whatis("Version: " .. version)
whatis("Description: Train perceptrons and linear models by ADMM on any number of MPI ranks")

if mode() == "load" and not isDir(prefix) then
    LmodError("hpcadmm/" .. version .. ": " .. prefix .. " is missing")
end
-- depends_on("mpich") -- the cluster's MPI, if hpcadmm was installed without one
-- setenv("HPCADMM_DATA", "/data/hpcadmm") -- the folder of datasets that all users share
prepend_path("PATH", pathJoin(prefix, "bin"))
