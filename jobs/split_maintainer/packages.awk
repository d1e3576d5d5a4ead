# Debian's package list, as apt-cache dumpavail prints it, to CSV: one row a package, its
# number first. A stanza without a version is no package that can be had, and is left out.

function quoted(value) {
  gsub(/"/, "\"\"", value)
  return "\"" value "\""
}

function value_of(line) {
  sub(/^[^:]*:[ \t]*/, "", line)
  return line
}

function end_of_stanza() {
  if (package != "" && version != "") {
    printf "%d,%s,%s,%s,%s,%s,%s,%s\n", ++id, quoted(package), quoted(version),
           quoted(architecture), quoted(section), quoted(maintainer), installed_size,
           quoted(description)
  }
  package = version = architecture = section = maintainer = installed_size = description = ""
}

/^$/ { end_of_stanza() }
/^Package:/ { package = value_of($0) }
/^Version:/ { version = value_of($0) }
/^Architecture:/ { architecture = value_of($0) }
/^Section:/ { section = value_of($0) }
/^Maintainer:/ { maintainer = value_of($0) }
/^Installed-Size:/ { installed_size = value_of($0) }
/^Description(-en)?:/ { description = value_of($0) }
END { end_of_stanza() }
