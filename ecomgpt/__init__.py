"""ecomgpt: instruction tuning of BLOOM(Z) on e-commerce task mixtures, and its evaluation on unseen tasks."""

__version__ = "0.1.0"
