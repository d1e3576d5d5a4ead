#!/bin/sh
# Loads this machine's list of Debian packages into a table `packages`, to try the job on.
#
# usage: load.sh sqlite:PATH | load.sh postgresql://…
#
# The table must not be there yet. Needs the sqlite3 shell, or psql.
set -eu
url=${1:?usage: load.sh sqlite:PATH | load.sh postgresql://…}
here=$(dirname "$0")

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
rows=$scratch/packages.csv

# A machine whose lists were deleted still knows what it has installed. iconv drops what is
# not UTF-8: PostgreSQL would refuse the whole load for one such byte.
apt-cache dumpavail 2>/dev/null >"$scratch/list" || true
if [ ! -s "$scratch/list" ]; then cp /var/lib/dpkg/status "$scratch/list"; fi
iconv -c -f utf-8 -t utf-8 "$scratch/list" | awk -f "$here/packages.awk" >"$rows"
if [ ! -s "$rows" ]; then
  echo 'load.sh: neither apt-cache dumpavail nor /var/lib/dpkg/status names a package' >&2
  exit 1
fi

columns='
  id              integer primary key,
  package         text not null,
  version         text not null,
  architecture    text,
  section         text,
  maintainer      text,
  installed_size  integer,
  description     text'
added='
  maintainer_name   text,
  maintainer_email  text'

case $url in
  sqlite:*)
    sqlite3 -bail "${url#sqlite:}" <<END
create table packages ($columns,$added);
create temporary table loaded ($columns);
.import --csv --schema temp $rows loaded
insert into packages
select id, package, version, nullif(architecture, ''), nullif(section, ''),
       nullif(maintainer, ''), nullif(installed_size, ''), nullif(description, ''), null, null
from loaded order by id;
END
    ;;
  postgres:* | postgresql:*)
    psql -X -q -v ON_ERROR_STOP=1 -d "$url" <<END
create table packages ($columns,$added);
\\copy packages (id, package, version, architecture, section, maintainer, installed_size, description) from '$rows' with (format csv, force_null (architecture, section, maintainer, description))
analyze packages;
END
    ;;
  *)
    echo "load.sh: $url is neither sqlite:PATH nor a postgresql:// URL" >&2
    exit 2
    ;;
esac
