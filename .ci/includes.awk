# Prints, for each source file given, the file and every header of this repository that it
# includes, directly or not. Names in quotes are looked for where the compiler would.

FNR == 1 { files[++count] = FILENAME; known[FILENAME] = 1 }
/^[ \t]*#[ \t]*include[ \t]*"/ {
  name = $0
  sub(/^[^"]*"/, "", name)
  sub(/".*$/, "", name)
  named[FILENAME] = named[FILENAME] " " name
}

function resolve(name, from,    folder) {
  folder = from
  sub(/[^\/]*$/, "", folder)
  if ((folder name) in known) return folder name
  if (("src/" name) in known) return "src/" name
  if (("include/" name) in known) return "include/" name
  if (("tests/" name) in known) return "tests/" name
  return name in known ? name : ""
}

function closure(file,    names, n, i, header) {
  n = split(named[file], names, " ")
  for (i = 1; i <= n; i++) {
    header = resolve(names[i], file)
    if (header == "" || header in seen) continue
    seen[header] = 1
    line = line " " header
    closure(header)
  }
}

END {
  for (f = 1; f <= count; f++) {
    if (files[f] !~ /\.(cc|c)$/) continue
    split("", seen)
    line = files[f]
    closure(files[f])
    print line
  }
}
