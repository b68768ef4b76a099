"""Write `.env.example` anew, and the settings tables between the markers of both READMEs."""

from pathlib import Path

from nobreak.lang import Lang
from nobreak.settings.docs import env_example, with_table

ROOT = Path(__file__).parent.parent
READMES = {"README.md": Lang.EN, "README.pt-BR.md": Lang.PT_BR}


def main() -> None:
    """Write what changed, and say which."""
    texts = {ROOT / ".env.example": env_example()}
    for name, lang in READMES.items():
        readme = ROOT / name
        if readme.exists():
            texts[readme] = with_table(readme.read_text(encoding="utf-8"), lang)
    for path, text in texts.items():
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")
            print(f"wrote {path.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
