"""A corpus like limpet's from plain-text books of Project Gutenberg:
`python make_corpus.py books/*.txt --train tales-train.txt --valid tales-valid.txt`.

Cleans (Gutenberg's header and footer, pictures, hard line breaks, typographic quotes), drops paragraphs that were seen
before (collections share tales), writes one paragraph a line, and holds out one run of paragraphs in fifty, so that the
validation text is prose in one piece and from every book.
"""

import argparse
import hashlib
import re
from pathlib import Path

PLAIN = str.maketrans({"“": '"', "”": '"', "‘": "'", "’": "'", "—": "--", "–": "-", "…": "...", "\u00a0": " ", "_": ""})
RUN = 24  # paragraphs that are held out together


def paragraphs(text):
    """The body of a book, one string a paragraph."""
    begin = re.search(r"\*\*\* ?START OF TH.*?\*\*\*", text, re.S)
    end = re.search(r"\*\*\* ?END OF TH", text)
    body = text[begin.end() if begin else 0 : end.start() if end else len(text)]
    body = re.sub(r"\[(Illustration|Footnote|Transcriber)[^\]]*\]", "", body.replace("\r\n", "\n").translate(PLAIN))
    for block in re.split(r"\n\s*\n", body):
        line = " ".join(block.split())
        if any(c.isalpha() for c in line):
            yield line


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("books", nargs="+")
    p.add_argument("--train", required=True)
    p.add_argument("--valid", required=True)
    a = p.parse_args()
    seen, kept, held = set(), [], []
    for book in sorted(a.books):
        fresh = []
        for line in paragraphs(Path(book).read_text(encoding="utf-8-sig")):
            key = hashlib.sha256(re.sub(r"\W+", "", line.lower()).encode()).digest()
            if len(line) < 40 or key not in seen:
                fresh.append(line)
            seen.add(key)
        for i, line in enumerate(fresh):
            (held if i // RUN % 50 == 25 else kept).append(line)
        print(f"{book}: {len(fresh)} paragraphs")
    for path, lines in ((a.train, kept), (a.valid, held)):
        text = "\n".join(lines) + "\n"
        Path(path).write_text(text, encoding="utf-8")
        print(f"{path}: {len(text.encode())} bytes")


if __name__ == "__main__":
    main()
