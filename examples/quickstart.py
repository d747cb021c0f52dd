"""From a mixture to scores in Python: python examples/quickstart.py (two to three minutes on two cores; needs no data).

Every string is an argument of the command line; `python -m ecomgpt --help` lists them.
"""

import ecomgpt


def main() -> None:
    # A small bilingual shop is generated, tasks are made from it, and what the evaluation asks is kept out.
    config = ecomgpt.compose("name=quickstart", "overwrite=true", "trainer.max_steps=20", "eval.limit=8")
    mixture = ecomgpt.build(config)
    print(f"{mixture.manifest['examples']:,} examples of {len(mixture.manifest['tasks'])} tasks")

    # One example as the model reads it: definition, instruction, input, and the answer that it learns.
    train, validation = mixture.examples("train"), mixture.examples("validation")
    print(mixture.tokenizer.decode(train.ids(0)))

    # One batch: examples one after another without padding, and the tokens that have to be predicted.
    from ecomgpt.data.datamodule import Mixture

    batches = Mixture(config, train, validation, mixture.tokenizer.pad_token_id).train_dataloader()
    for name, value in next(iter(batches)).items():
        print(f"{name}: {tuple(value.shape) if hasattr(value, 'shape') else value}")

    # Train 20 steps, then answer and score the suite, before training and after; the report is a web page.
    result = ecomgpt.run(config)
    print(f"loss {result.training['final_loss']:.2f} after {result.training['steps']} steps")
    for task, scores in result.scores.items():
        print(task, {metric: round(value, 3) for metric, value in scores.items()})
    print("average:", result.averages["all"]["primary"], "report:", result.directory / "report.html")


if __name__ == "__main__":
    main()
