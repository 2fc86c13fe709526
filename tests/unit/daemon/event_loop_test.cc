// SPDX-License-Identifier: Apache-2.0
#include "daemon/event_loop.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <stdexcept>
#include <string>
#include <vector>

#include "common/unique_fd.h"

namespace stasis {
namespace {

using namespace std::chrono_literals;

struct Pipe {
  Pipe() {
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0) throw std::runtime_error("pipe");
    read.reset(ends[0]);
    write.reset(ends[1]);
  }
  void send(char byte = 'x') const { ASSERT_EQ(::write(write.get(), &byte, 1), 1); }
  bool take() const {
    char byte = 0;
    return ::read(read.get(), &byte, 1) == 1;
  }
  UniqueFd read, write;
};

class Loop : public testing::Test {
 protected:
  // A loop that never ends is a failure, not a test that hangs.
  void run() {
    const auto guard = loop.after(20s, [this] {
      ADD_FAILURE() << "nobody stopped the loop";
      loop.stop();
    });
    loop.run();
    loop.cancel(guard);
  }
  void note(const std::string& what) { seen += what; }

  EventLoop loop;
  std::string seen;
};

TEST_F(Loop, CallsTimersInTheOrderOfTheirMoments) {
  loop.after(30ms, [&] { note("c"); });
  loop.after(10ms, [&] { note("a"); });
  loop.after(20ms, [&] { note("b"); });
  loop.after(40ms, [&] { loop.stop(); });
  run();
  EXPECT_EQ(seen, "abc");
}

TEST_F(Loop, NeverCallsATimerBeforeItsTime) {
  const auto start = EventLoop::Clock::now();
  EventLoop::Clock::duration waited{};
  loop.after(50ms, [&] {
    waited = EventLoop::Clock::now() - start;
    loop.stop();
  });
  run();
  EXPECT_GE(waited, 50ms);
}

TEST_F(Loop, CallsATimerOnce) {
  loop.after(0ms, [&] { note("a"); });
  loop.after(20ms, [&] { loop.stop(); });
  run();
  EXPECT_EQ(seen, "a");
}

TEST_F(Loop, DoesNotCallWhatWasCancelled) {
  const auto timer = loop.after(5ms, [&] { note("a"); });
  EXPECT_NE(timer, 0UL);
  loop.cancel(timer);
  loop.cancel(timer);
  loop.cancel(0);
  loop.after(20ms, [&] { loop.stop(); });
  run();
  EXPECT_EQ(seen, "");
}

TEST_F(Loop, LetsATimerCancelAnotherThatIsDueAtTheSameTime) {
  EventLoop::TimerId second = 0;
  loop.after(0ms, [&] {
    note("a");
    loop.cancel(second);
  });
  second = loop.after(0ms, [&] { note("b"); });
  loop.after(10ms, [&] { loop.stop(); });
  run();
  EXPECT_EQ(seen, "a");
}

TEST_F(Loop, LetsATimerCancelItselfAndSetItselfAgain) {
  EventLoop::TimerId timer = 0;
  std::function<void()> tick = [&] {
    note("t");
    loop.cancel(timer);
    if (seen.size() == 3) return loop.stop();
    timer = loop.after(1ms, tick);
  };
  timer = loop.after(1ms, tick);
  run();
  EXPECT_EQ(seen, "ttt");
}

TEST_F(Loop, IsNotKeptFromDescriptorsByATimerThatIsAlwaysDue) {
  const Pipe pipe;
  std::function<void()> again = [&] { loop.after(0ms, again); };
  loop.after(0ms, again);
  loop.watch(pipe.read.get(), [&] { loop.stop(); });
  pipe.send();
  run();
}

TEST_F(Loop, CallsBackAsLongAsADescriptorIsReadable) {
  const Pipe pipe;
  pipe.send();
  pipe.send();
  loop.watch(pipe.read.get(), [&] {
    EXPECT_TRUE(pipe.take());
    note("r");
    if (seen.size() == 2) loop.stop();
  });
  run();
  EXPECT_EQ(seen, "rr");
}

TEST_F(Loop, CallsBackWhenTheOtherEndIsClosed) {
  Pipe pipe;
  loop.watch(pipe.read.get(), [&] {
    EXPECT_FALSE(pipe.take());
    loop.stop();
  });
  pipe.write.reset();
  run();
}

TEST_F(Loop, DoesNotCallWhatWasUnwatchedInTheSameRound) {
  const Pipe a, b;
  a.send();
  b.send();
  const auto stop_watching_both = [&] {
    note("x");
    loop.unwatch(a.read.get());
    loop.unwatch(b.read.get());
  };
  loop.watch(a.read.get(), stop_watching_both);
  loop.watch(b.read.get(), stop_watching_both);
  loop.after(20ms, [&] { loop.stop(); });
  run();
  EXPECT_EQ(seen, "x");
}

// A connection that is closed in the round in which another one is accepted gives the new one its number.
TEST_F(Loop, DoesNotTakeANewDescriptorForTheReadyOneThatHadItsNumber) {
  const Pipe trigger, fresh;
  Pipe old;
  trigger.send();
  old.send();
  ASSERT_LT(trigger.read.get(), old.read.get());
  const int number = old.read.get();
  loop.watch(trigger.read.get(), [&] {
    loop.unwatch(trigger.read.get());
    loop.unwatch(number);
    ASSERT_EQ(::dup3(fresh.read.get(), number, O_CLOEXEC), number);
    loop.watch(number, [&] {
      note(fresh.take() ? "right" : "wrong");
      loop.stop();
    });
    loop.after(5ms, [&] { fresh.send(); });
  });
  loop.watch(number, [&] { note("old"); });
  loop.after(20s, [&] { loop.stop(); });
  run();
  EXPECT_EQ(seen, "right");
}

TEST_F(Loop, LetsACallbackReplaceItself) {
  const Pipe pipe;
  pipe.send();
  pipe.send();
  loop.watch(pipe.read.get(), [&, keep = std::string(100, 'k')] {
    pipe.take();
    loop.watch(pipe.read.get(), [&] {
      pipe.take();
      note("second");
      loop.stop();
    });
    // Still there, though it is not the one to be called any more.
    note(keep.substr(0, 1));
  });
  run();
  EXPECT_EQ(seen, "ksecond");
}

TEST_F(Loop, StopsAtOnceAndCanRunAgain) {
  const Pipe pipe;
  pipe.send();
  loop.watch(pipe.read.get(), [&] {
    note("r");
    loop.stop();
  });
  run();
  run();
  EXPECT_EQ(seen, "rr");
}

TEST_F(Loop, CanBeRunFromOneOfItsCallbacks) {
  // The inner one ends both: stop() says that the loop is over, not one call of run().
  loop.after(0ms, [&] {
    loop.after(0ms, [&] {
      note("inner");
      loop.stop();
    });
    loop.run();
    note(" outer");
  });
  run();
  EXPECT_EQ(seen, "inner outer");
}

}  // namespace
}  // namespace stasis
