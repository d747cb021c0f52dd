"""Uploads an exported folder to the hub."""

import os
from pathlib import Path

from ecomgpt.common.errors import UserError


def push(folder: Path, name: str) -> str:
    """Uploads a folder in one commit; creates a private repository if there is none.

    The token is HF_TOKEN or the one that ``hf auth login`` has stored; HF_ENDPOINT names another hub.

    Args:
        folder: What to upload.
        name: ``<owner>/<name>``.

    Returns:
        The repository's URL.

    Raises:
        UserError: If there is no token, or the hub refuses or can't be reached.
    """
    from huggingface_hub import HfApi
    from huggingface_hub.utils import enable_progress_bars

    require_token(name)
    enable_progress_bars()  # Exporting turned them off.
    hub = HfApi(endpoint=os.environ.get("HF_ENDPOINT"))
    try:
        hub.create_repo(name, private=True, exist_ok=True)
        hub.upload_folder(repo_id=name, folder_path=folder, commit_message="Upload by ecomgpt")
    except Exception as error:  # The client's HTTP library, and so what it raises, changes with its version.
        reason = str(error).strip().split("\n")[0]
        raise UserError(f"push_to={name}: {hub.endpoint} refused or can't be reached: {reason}") from error
    return f"{hub.endpoint}/{name}"


def require_token(name: str) -> None:
    """Checks for a token before an export that takes minutes.

    Raises:
        UserError: If there is none.
    """
    from huggingface_hub import get_token

    if get_token() is None:
        raise UserError(f"push_to={name}: no token; set HF_TOKEN, or run: hf auth login")
