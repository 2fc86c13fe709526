#!/bin/bash
#WORKLOAD what: containers and sandboxes that the job itself makes: namespaces of its own
#WORKLOAD variants: user mount pid net ipc uts
#WORKLOAD refused: namespaces of its own
case $VARIANT in
user) set -- ;;
pid) set -- --pid --fork ;;
*) set -- "--$VARIANT" ;;
esac
unshare --user --map-root-user "$@" bash -c 'for i in $(seq 1 48); do echo "step $i of $(id -u)"; sleep 0.25; done'
