"""Metrics. Each is a pair: ``update`` gives one line of sums per row, ``compute`` divides the summed lines."""
