"""job=run: the whole way: build, fit, evaluate, report. Each stage is skipped where an earlier start has finished it."""

from ecomgpt.config.schema import Config
from ecomgpt.job import build, evaluate, fit, report
from ecomgpt.model.card import write_card
from ecomgpt.run.directory import Run


def main(config: Config, run: Run) -> None:
    """Builds the mixture, trains on it, evaluates before and after, and reports."""
    mixture = build.build(config, run)
    fit.fit(config, run, mixture)
    evaluate.after_training(config, run, mixture)
    report.write(run)
    write_card(run, config)
