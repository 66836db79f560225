#!/bin/sh
# A systemd of its own with nothing in it but the unit of etc/ and what that needs: a process in new namespaces becomes
# it. Mounts and processes are gone when it is. Arguments: a directory with units/, etc/ and a pipe "told"; the project.
set -e
mount --make-rprivate /
mount --bind "$1/etc" /etc
for place in /run /srv /var/lib /var/cache; do mount -t tmpfs -o mode=755 tmpfs "$place"; done
# /opt with what is in it, packages maybe, and room for more
mkdir /srv/opt
mount --bind /opt /srv/opt
mount -t tmpfs -o mode=755 tmpfs /opt
for one in /srv/opt/*; do [ "${one##*/}" = encchat ] || ln -s "$one" /opt/; done
/usr/bin/python3 -m venv /opt/encchat
echo '{"event": "made"}'
if ! /opt/encchat/bin/pip install -q "$2" 2> "$1/pip"; then
    echo '{"event": "installed", "done": false}'
    exit 1
fi
echo '{"event": "installed", "done": true}'
cat "$1/told" &
cd /
exec env container=test SYSTEMD_UNIT_PATH="$1/units" /lib/systemd/systemd --system --unit=test.target --log-target=null
