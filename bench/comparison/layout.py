"""Tables as text: columns of equal width for a terminal, pipes for Markdown."""


def aligned(head, rows):
    """Columns of equal width; the first to the left, figures to the right."""
    table = [head, *rows]
    widths = [max(len(row[i]) for row in table) for i in range(len(head))]
    is_text = [not any(_is_figure(row[i]) for row in table[1:]) for i in range(len(head))]
    lines = []
    for row in table:
        cells = [cell.ljust(width) if left else cell.rjust(width)
                 for cell, width, left in zip(row, widths, is_text)]
        lines.append("  " + "  ".join(cells).rstrip())
    return "\n".join(lines)


def piped(head, rows):
    table = [[cell.replace("|", "\\|") for cell in row] for row in rows]
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in table])


def _is_figure(cell):
    return cell[:1].isdigit()
