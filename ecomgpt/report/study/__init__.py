"""The report of several runs: a sweep, or any run directories. ``gather`` finds the runs, ``arms`` groups them into
configurations, ``compare`` puts numbers to their differences, ``findings`` words to the numbers, ``tables``, ``charts``,
``curves`` and ``latex`` arrange what is shown, ``page`` writes the files and ``terminal`` prints."""
