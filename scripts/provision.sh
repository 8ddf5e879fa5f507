#!/bin/sh
# Make sure that the tests find what they need of Debian's packages: a RabbitMQ server to start a private node of (its
# service is left off), and Chromium to look at pages with. Arguments name more: nginx, promtool.
set -eu

has() {
    case "$1" in
        rabbitmq-server) [ -x /usr/lib/rabbitmq/bin/rabbitmq-server ] ;;
        nginx-light) [ -x /usr/sbin/nginx ] ;;
        prometheus) command -v promtool >/dev/null 2>&1 ;;
        chromium) command -v chromium >/dev/null 2>&1 || command -v chromium-browser >/dev/null 2>&1 || command -v google-chrome >/dev/null 2>&1 ;;
    esac
}

missing=
wanted="rabbitmq-server chromium"
for more in "$@"; do
    case "$more" in
        nginx) wanted="$wanted nginx-light" ;;
        promtool) wanted="$wanted prometheus" ;;
    esac
done
for package in $wanted; do
    has "$package" || missing="$missing $package"
done
[ -n "$missing" ] || exit 0

if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
    echo "installing Debian's$missing for the tests (no service is started) …"
    made=
    if [ ! -e /usr/sbin/policy-rc.d ]; then
        made=yes
        printf '#!/bin/sh\nexit 101\n' > /usr/sbin/policy-rc.d
        chmod +x /usr/sbin/policy-rc.d
        trap 'rm -f /usr/sbin/policy-rc.d' EXIT
    fi
    export DEBIAN_FRONTEND=noninteractive
    # shellcheck disable=SC2086 - a list of packages
    apt-get install -y -qq --no-install-recommends $missing >/dev/null 2>&1 ||
        { apt-get update -qq && apt-get install -y -qq --no-install-recommends $missing >/dev/null; } ||
        echo "apt-get could not install$missing" >&2
    if [ -n "$made" ]; then rm -f /usr/sbin/policy-rc.d; fi
fi

for package in $missing; do
    if ! has "$package"; then
        echo "Some tests need Debian's package $package: apt install $package (no service of it has to run)." >&2
        case "$package" in
            nginx-light | prometheus) ;; # what they check is skipped, in CI too
            *) if [ "${CI:-}" = true ]; then exit 1; fi ;;
        esac
        echo "Without it they are reported as skipped." >&2
    fi
done
