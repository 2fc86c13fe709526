// SPDX-License-Identifier: Apache-2.0
#include "daemon/worker.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <filesystem>
#include <stdexcept>
#include <string>
#include <vector>

#include "tests/unit/wait_for.h"

namespace stasis {
namespace {

using namespace std::chrono_literals;
using Texts = std::vector<std::string>;

std::string open_fds() {
  std::vector<int> fds;
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
    fds.push_back(std::stoi(entry.path().filename()));
  }
  std::string text;
  // Closed by now: the directory itself.
  for (const int fd : fds) {
    if (::fcntl(fd, F_GETFD) >= 0) text += std::to_string(fd) + " ";
  }
  return text;
}

class WorkersTest : public testing::Test {
 protected:
  ~WorkersTest() override {
    EXPECT_TRUE(wait_for([this] {
      workers.reap();
      return ::waitpid(-1, nullptr, WNOHANG) == -1 && errno == ECHILD;
    })) << "a worker was left behind";
  }
  void start(const Workers::Work& work, const std::vector<int>& keep = {}) {
    const auto started = workers.start(keep, work, [this](const Message& message, bool ended) {
      heard.push_back(message.verb() + (ended ? "!" : ""));
      last = message;
    });
    ASSERT_TRUE(started) << started.error().message;
  }
  // Until all of them have ended.
  void run() {
    std::function<void()> look = [&] {
      if (workers.count() == 0) return loop.stop();
      loop.after(1ms, look);
    };
    look();
    const auto guard = loop.after(20s, [this] {
      ADD_FAILURE() << "a worker did not end";
      loop.stop();
    });
    loop.run();
    loop.cancel(guard);
  }

  EventLoop loop;
  Workers workers{loop};
  Texts heard;
  Message last{"none"};
};

TEST_F(WorkersTest, BringTheResultOfTheirWork) {
  start([](const WorkerLine&) { return Message("done").add("pid", ::getpid()); });
  EXPECT_EQ(workers.count(), 1U);
  EXPECT_EQ(heard, Texts());
  run();
  EXPECT_EQ(heard, Texts{"done!"});
  EXPECT_NE(last.get_int("pid", 1, INT32_MAX).value(), ::getpid());
}

TEST_F(WorkersTest, BringMessagesInOrderBeforeTheResult) {
  start([](const WorkerLine& line) {
    for (const char* word : {"one", "two", "three"}) line.tell(Message(word));
    return Message("done");
  });
  run();
  EXPECT_EQ(heard, (Texts{"one", "two", "three", "done!"}));
}

TEST_F(WorkersTest, ThatDieWithoutAWordAreLost) {
  start([](const WorkerLine& line) {
    line.tell(Message("begun"));
    ::raise(SIGKILL);
    return Message("done");
  });
  run();
  EXPECT_EQ(heard, (Texts{"begun", "lost!"}));
  EXPECT_EQ(last.get("error"), "the worker died");
}

TEST_F(WorkersTest, ThatThrowAreLostWithTheReason) {
  start([](const WorkerLine&) -> Message { throw std::runtime_error("no memory"); });
  run();
  EXPECT_EQ(heard, Texts{"lost!"});
  EXPECT_EQ(last.get("error"), "no memory");
}

TEST_F(WorkersTest, WhoseResultCannotBeSentAreLost) {
  start([](const WorkerLine&) { return Message("done").add("text", std::string(kMaxMessageBytes, 'x')); });
  run();
  EXPECT_EQ(heard, Texts{"lost!"});
}

TEST_F(WorkersTest, HaveNoDescriptorOfTheDaemonsButThoseTheyNeed) {
  const UniqueFd needed(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  const UniqueFd other(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  const int high = ::fcntl(other.get(), F_DUPFD, 700);  // NOLINT: without close-on-exec
  const UniqueFd closes(high);
  start([](const WorkerLine&) { return Message("done").add("open", open_fds()); }, {needed.get()});
  run();
  // What is left is the line to the daemon.
  std::string open(last.get("open").value_or(""));
  for (const int fd : {0, 1, 2, needed.get()}) {
    const auto at = (" " + open).find(" " + std::to_string(fd) + " ");
    ASSERT_NE(at, std::string::npos) << fd << " is not in " << open;
    open.erase(at, std::to_string(fd).size() + 1);
  }
  EXPECT_EQ(std::count(open.begin(), open.end(), ' '), 1) << open;
}

TEST_F(WorkersTest, TakeSignalsAndAreASessionOfTheirOwn) {
  sigset_t term, before;
  sigemptyset(&term);
  sigaddset(&term, SIGTERM);
  ::sigprocmask(SIG_BLOCK, &term, &before);
  start([](const WorkerLine&) {
    sigset_t blocked;
    ::sigprocmask(SIG_BLOCK, nullptr, &blocked);
    return Message("done")
        .add("blocked", sigismember(&blocked, SIGTERM))
        .add("leads", ::getsid(0) == ::getpid() ? 1 : 0);
  });
  ::sigprocmask(SIG_SETMASK, &before, nullptr);
  run();
  EXPECT_EQ(last.get("blocked"), "0");
  EXPECT_EQ(last.get("leads"), "1");
}

TEST_F(WorkersTest, WorkManyAtOnce) {
  std::vector<std::int64_t> results;
  for (int i = 0; i < 40; ++i) {
    ASSERT_TRUE(workers.start(
        {},
        [i](const WorkerLine& line) {
          line.tell(Message("begun"));
          return Message("done").add("i", i);
        },
        [&](const Message& message, bool ended) {
          if (ended) results.push_back(message.get_int("i", 0, 100).value_or(-1));
        }));
  }
  EXPECT_EQ(workers.count(), 40U);
  run();
  std::sort(results.begin(), results.end());
  ASSERT_EQ(results.size(), 40U);
  for (int i = 0; i < 40; ++i) EXPECT_EQ(results[static_cast<std::size_t>(i)], i);
}

TEST_F(WorkersTest, MayBeStartedFromWhatIsHeardOfAnother) {
  Texts order;
  ASSERT_TRUE(workers.start(
      {},
      [](const WorkerLine& line) {
        line.tell(Message("half"));
        return Message("done");
      },
      [&](const Message& message, bool) {
        order.push_back(message.verb());
        start([](const WorkerLine&) { return Message("more"); });
      }));
  run();
  EXPECT_EQ(order, (Texts{"half", "done"}));
  EXPECT_EQ(heard, (Texts{"more!", "more!"}));
}

TEST_F(WorkersTest, FinishTheirWorkWithoutADaemon) {
  int line[2];
  ASSERT_EQ(::pipe(line), 0);
  {
    EventLoop other_loop;
    Workers other(other_loop);
    ASSERT_TRUE(other.start(
        {line[1]},
        [fd = line[1]](const WorkerLine& daemon) {
          // Until nobody hears us any more.
          for (int i = 0; i < 3; ++i) daemon.tell(Message("word"));
          (void)!::write(fd, "f", 1);
          return Message("done");
        },
        [](const Message&, bool) {}));
  }
  char byte = 0;
  ASSERT_EQ(::read(line[0], &byte, 1), 1);
  EXPECT_EQ(byte, 'f');
  ::close(line[0]);
  ::close(line[1]);
}

}  // namespace
}  // namespace stasis
