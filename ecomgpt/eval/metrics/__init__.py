"""What is measured. A metric is a pair: ``update`` counts, one line of sums a row; ``compute`` divides the summed lines."""
