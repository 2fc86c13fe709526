#!/bin/bash
#WORKLOAD what: Perl: fork and pipes, alarms, a server and its clients, regular expressions
exec perl work.pl
