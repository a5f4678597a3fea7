"""Where the real machine loads the Saiga model from its Hugging Face cache."""

from pathlib import Path

MODEL = "models--NightForger--saiga_nemo_12b-GPTQ"


def snapshot(hub: Path) -> Path:
    revision = (hub / MODEL / "refs" / "main").read_text().strip()
    return hub / MODEL / "snapshots" / revision


if __name__ == "__main__":
    for file in sorted(snapshot(Path.home() / ".cache/huggingface/hub").iterdir()):
        print(file.name, file.resolve(strict=True).stat().st_size)
