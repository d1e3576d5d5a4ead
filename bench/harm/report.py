def text(r): return ""
markdown=text
