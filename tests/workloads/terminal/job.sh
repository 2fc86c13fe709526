#!/bin/bash
#WORKLOAD what: a terminal within the job: tmux
tmux -L job -f /dev/null new-session -d -x 80 -y 24 './inner.sh; echo $? >code; tmux -L job wait-for -S ended; sleep 1000'
tmux -L job send-keys word Enter
tmux -L job wait-for ended
tmux -L job capture-pane -p | grep .
echo "it ended with $(cat code)"
tmux -L job kill-server
