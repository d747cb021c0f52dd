"""job=run: build, fit, evaluate, report. Stages that an earlier start has finished are skipped."""

from ecomgpt.config.schema import Config
from ecomgpt.job import build, evaluate, fit, report
from ecomgpt.model.card import write_card
from ecomgpt.runtime.directory import Run


def main(config: Config, run: Run) -> None:
    """Builds the mixture, trains on it, evaluates before and after, and reports."""
    mixture = build.build(config, run)
    fit.fit(config, run, mixture)
    evaluate.after_training(config, run, mixture)
    report.write(run)
    write_card(run, config)
