"""What compare, tune, bench and scaling share: launcher, folder, plan, runner and report."""
