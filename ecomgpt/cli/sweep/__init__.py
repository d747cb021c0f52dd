"""``--multirun``: every job in a process and directory of its own, so that none can end or spoil another.

Hydra's sweeper decides what the jobs are and its launcher when they run (basic, joblib, submitit; Optuna as a sweeper);
here each job becomes a child process that knows nothing of the sweep. A job that is finished is not run again.
"""
