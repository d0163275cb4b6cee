"""`hpcadmm doctor`: is this machine or allocation ready for a job?"""
