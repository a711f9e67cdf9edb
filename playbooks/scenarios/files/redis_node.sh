#!/bin/sh
# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# redis_node.sh clean|remove|start|watch
#
# One host of the scenario redis_failover, as root on Debian. It uses instances named "faultline" of the units that the packages
# redis-server and redis-sentinel bring: their own configuration, data and services stay untouched.
#   clean    undo attacks that a dead controller left, then the same as remove
#   remove   stop the instances, remove their configuration, data and changed restart
#   start    configure and start Redis, and wait until the replica follows the primary
#   watch    start the sentinel
# Settings come from the environment: CONFIGURATION (default or hardened), ADDRESS (of this host), PRIMARY and REPLICA (addresses; a
# host that is neither has a sentinel only), DOWN_AFTER (milliseconds until a sentinel takes the primary for dead), RESTART_DELAY
# (seconds; hardened only), BOOT (yes: the instances start at boot too).
set -eu
REDIS=redis-server@faultline SENTINEL=redis-sentinel@faultline
DATA=/var/lib/redis/faultline
DROPIN=/etc/systemd/system/$REDIS.service.d

remove() {
	[ -e /etc/redis/redis-faultline.conf ] || return 0
	# Its data goes anyway, and a primary told to stop waits up to 10 seconds for its replica.
	systemctl kill --signal=KILL $SENTINEL $REDIS 2>/dev/null || :
	systemctl stop $SENTINEL $REDIS
	systemctl reset-failed $SENTINEL $REDIS 2>/dev/null || :
	rm -rf $DATA /etc/redis/sentinel-faultline.conf
	for unit in $REDIS $SENTINEL; do
		if systemctl -q is-enabled "$unit" 2>/dev/null; then systemctl -q disable "$unit"; fi
	done
	if [ -e $DROPIN ]; then
		rm -rf $DROPIN
		systemctl daemon-reload
	fi
	rm /etc/redis/redis-faultline.conf
}

configure() {
	umask 027
	mkdir -p $DATA
	cat >/etc/redis/redis-faultline.conf <<-E
		port 6379
		bind * -::*
		protected-mode no
		supervised systemd
		dir $DATA
		logfile $DATA/redis.log
		replica-announce-ip $ADDRESS
		repl-diskless-sync-delay 0
		save ""
	E
	if [ "$ADDRESS" != "$PRIMARY" ]; then
		echo "replicaof $PRIMARY 6379" >>/etc/redis/redis-faultline.conf
	fi
	if [ "$CONFIGURATION" = hardened ]; then
		# A write is on the disk before it is acknowledged, and a primary that nobody follows takes none.
		cat >>/etc/redis/redis-faultline.conf <<-E
			appendonly yes
			appendfsync always
			min-replicas-to-write 1
		E
		# A primary that crashed stays away until the sentinels have made another one.
		mkdir $DROPIN; chmod 755 $DROPIN
		printf '[Service]\nRestartSec=%s\n' "$RESTART_DELAY" >$DROPIN/restart.conf
		chmod 644 $DROPIN/restart.conf
		systemctl daemon-reload
	fi
	cat >/etc/redis/sentinel-faultline.conf <<-E
		port 26379
		bind * -::*
		protected-mode no
		supervised systemd
		dir $DATA
		logfile $DATA/sentinel.log
		sentinel resolve-hostnames yes
		sentinel announce-ip $ADDRESS
		sentinel monitor faultline $PRIMARY 6379 2
		sentinel down-after-milliseconds faultline $DOWN_AFTER
		sentinel failover-timeout faultline 10000
		sentinel parallel-syncs faultline 1
	E
	chown -R redis:redis $DATA /etc/redis/redis-faultline.conf /etc/redis/sentinel-faultline.conf
}

boot() { if [ "$BOOT" = yes ]; then systemctl -q enable "$1"; fi; }
has_redis() { [ "$ADDRESS" = "$PRIMARY" ] || [ "$ADDRESS" = "$REPLICA" ]; }

start() {
	for program in redis-server redis-sentinel redis-cli; do
		command -v $program >/dev/null || { echo "this host has no $program: install redis-server and redis-sentinel" >&2; exit 1; }
	done
	configure
	has_redis || return 0
	boot $REDIS
	systemctl start $REDIS || { tail -n 3 $DATA/redis.log >&2; exit 1; }
	tries=0
	until redis-cli info replication | grep -qE '^(connected_slaves:1|master_link_status:up)'; do
		tries=$((tries + 1))
		[ $tries -lt 120 ] || { echo "the replica does not follow the primary: see $DATA/redis.log" >&2; exit 1; }
		sleep 0.5
	done
}

case $1 in
clean)
	# While its Redis is still there, for the undo of an attack on it starts it.
	if [ -e /var/lib/faultline/control.sh ]; then sh /var/lib/faultline/control.sh revert-all; fi
	remove
	;;
remove) remove ;;
start) start ;;
watch)
	boot $SENTINEL
	systemctl start $SENTINEL || { tail -n 3 $DATA/sentinel.log >&2; exit 1; }
	;;
esac
