"""Which test files start first: the long ones, so that two processes end at about the same time.

Seconds of one core of fast and slow tests; files that are not listed take less than five. To
measure anew: `python -m pytest -n 0 --durations=0 -m "slow or not slow"`.
"""

SECONDS = {
    "test_notebooks_run.py": 247,
    "test_distributed.py": 207,
    "test_install.py": 180,
    "commands/test_detect_command.py": 119,
    "commands/test_cli.py": 90,
    "detection/test_experiment.py": 90,
    "reproduction/test_reproduce.py": 60,
    "training/test_stages.py": 60,
    "test_recorded_accuracy.py": 67,
    "training/test_parts.py": 50,
    "training/test_killed.py": 50,
    "models/test_contract.py": 50,
    "models/test_pose_i3d.py": 45,
    "models/test_jax.py": 40,
    "deploy/test_export.py": 40,
    "zoo/test_zoo.py": 35,
    "commands/test_weights_pairing.py": 40,
    "attention/test_faithfulness.py": 35,
    "checkpoints/test_i3d_checkpoint.py": 35,
    "deploy/test_compiled.py": 30,
    "detection/test_jcr.py": 30,
    "training/test_training.py": 30,
    "training/test_jobs.py": 30,
    "test_dataset_recognizer.py": 30,
    "checkpoints/test_weights.py": 30,
    "docs/test_doctests.py": 30,
    "commands/test_attention_command.py": 25,
    "commands/test_attention_score_command.py": 25,
    "viz/test_attention_page.py": 25,
    "test_recognizer.py": 20,
    "commands/test_predict_command.py": 20,
    "layers/test_grouped.py": 15,
    "attention/test_saliency.py": 12,
    "detection/test_curve.py": 10,
}
