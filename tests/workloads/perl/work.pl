use strict;
use warnings;
use Digest::SHA qw(sha256_hex);
use IO::Socket::INET;
use Time::HiRes qw(sleep ualarm);
$| = 1;

# A server on loopback that answers each line with its digest.
my $server = IO::Socket::INET->new(Listen => 5, LocalAddr => '127.0.0.1', ReuseAddr => 1) or die "listen: $!";
my $port = $server->sockport;
my $child = fork // die;
if (!$child) {
    while (my $peer = $server->accept) {
        if (!fork) {
            $peer->autoflush(1);
            while (my $line = <$peer>) { chomp $line; print $peer sha256_hex($line), "\n"; }
            exit 0;
        }
    }
}
my @clients = map { IO::Socket::INET->new(PeerAddr => "127.0.0.1:$port") or die "connect: $!" } 1 .. 3;

# Workers that read numbers from a pipe and write primes to another.
my ($in, $out);
my @workers;
for my $n (0 .. 1) {
    pipe(my $to_read, my $to_write) or die;
    pipe(my $from_read, my $from_write) or die;
    if (!(my $pid = fork // die)) {
        close $to_write;
        close $from_read;
        select $from_write;
        $| = 1;
        while (my $limit = <$to_read>) {
            chomp $limit;
            # The well-known regular expression, on numbers in unary.
            my $count = grep { ('1' x $_) !~ /^1?$|^(11+?)\1+$/ } $limit - 40 .. $limit;
            print $from_write "$count\n";
        }
        exit 7 + $n;
    }
    else {
        push @workers, { pid => $pid, to => $to_write, from => $from_read };
        $to_write->autoflush(1);
    }
}

my $alarms = 0;
$SIG{ALRM} = sub { $alarms++ };
for my $step (1 .. 50) {
    my $before = $alarms;
    ualarm 50_000;
    sleep 0.3 while $alarms == $before;
    print { $_->{to} } 200 + 20 * $step, "\n" for @workers;
    my @counts = map { my $from = $_->{from}; my $line = <$from>; chomp $line; $line } @workers;
    my @digests;
    for my $client (@clients) {
        print $client "step $step\n";
        my $line = <$client>;
        push @digests, substr $line, 0, 8;
    }
    print "step $step: @counts, @digests, $alarms\n";
}
close $_->{to} for @workers;
for (@workers) { waitpid $_->{pid}, 0; print "a worker ended with ", $? >> 8, "\n"; }
kill 'TERM', $child;
waitpid $child, 0;
print "the server ended by signal ", $? & 127, "\n";
