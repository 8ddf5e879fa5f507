#!/bin/sh
# Make sure that the tests find a RabbitMQ server to start a private node of: Debian's package, without its service.
set -eu
[ -x /usr/lib/rabbitmq/bin/rabbitmq-server ] && exit 0

if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
    echo "installing Debian's rabbitmq-server for the tests (its service is not started) …"
    made=
    if [ ! -e /usr/sbin/policy-rc.d ]; then
        made=yes
        printf '#!/bin/sh\nexit 101\n' > /usr/sbin/policy-rc.d
        chmod +x /usr/sbin/policy-rc.d
        trap 'rm -f /usr/sbin/policy-rc.d' EXIT
    fi
    export DEBIAN_FRONTEND=noninteractive
    apt-get install -y -qq --no-install-recommends rabbitmq-server >/dev/null 2>&1 ||
        { apt-get update -qq && apt-get install -y -qq --no-install-recommends rabbitmq-server >/dev/null; } ||
        echo "apt-get could not install rabbitmq-server" >&2
    if [ -n "$made" ]; then rm -f /usr/sbin/policy-rc.d; fi
fi

if [ ! -x /usr/lib/rabbitmq/bin/rabbitmq-server ]; then
    echo "The RabbitMQ tests need Debian's package rabbitmq-server: apt install rabbitmq-server (its service may stay off)." >&2
    if [ "${CI:-}" = true ]; then exit 1; fi
    echo "Without it they are reported as skipped." >&2
fi
