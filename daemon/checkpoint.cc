// SPDX-License-Identifier: Apache-2.0
#include "daemon/checkpoint.h"

#include <fcntl.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <climits>
#include <filesystem>
#include <optional>

#include "common/capsule_processes.h"
#include "common/checkpoint_comment.h"
#include "common/cpu_features.h"
#include "common/criu_command.h"
#include "common/log.h"
#include "common/namespaces.h"
#include "common/proc.h"
#include "common/protocol.h"
#include "daemon/checkpoint_cost.h"
#include "daemon/dump.h"
#include "daemon/job_fields.h"
#include "daemon/job_files.h"
#include "daemon/job_memory.h"
#include "daemon/late_signals.h"
#include "daemon/preflight.h"
#include "daemon/run_lock.h"
#include "daemon/socket_translation.h"
#include "daemon/steps_first.h"

namespace stasis {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::chrono::seconds kSlurmAnswers{60};
// A step's last checkpoint may take as long as Slurm lets it, which is KillWait: 30 s by default.
constexpr std::chrono::seconds kStepsLeave{60};

std::int64_t microseconds_since(Clock::time_point start) {
  return std::chrono::duration_cast<std::chrono::microseconds>(Clock::now() - start).count();
}

// The anchor is part of the tree, and what it was started from has to be there where it is restored.
Result<void> copy_anchor(pid_t root, int images) {
  const UniqueFd from(::open(("/proc/" + std::to_string(root) + "/exe").c_str(), O_RDONLY | O_CLOEXEC));
  if (!from) return fail(errno_error("open the anchor", errno));
  const UniqueFd to(::openat(images, "anchor", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
  struct stat status {};
  if (!to || ::fstat(from.get(), &status) != 0) return fail(errno_error("copy the anchor", errno));
  for (off_t left = status.st_size; left > 0;) {
    const ssize_t copied = ::sendfile(to.get(), from.get(), nullptr, static_cast<std::size_t>(left));
    if (copied <= 0) return fail(errno_error("copy the anchor", copied == 0 ? EIO : errno));
    left -= copied;
  }
  return {};
}

std::string link_of(pid_t pid, int fd) {
  char target[PATH_MAX];
  const std::string path = "/proc/" + std::to_string(pid) + "/fd/" + std::to_string(fd);
  const ssize_t length = ::readlink(path.c_str(), target, sizeof target);
  return length > 0 ? std::string(target, static_cast<std::size_t>(length)) : "";
}

// What the task was given, and not what its program has there now: a script may have a pipe of its own for its stdin or
// stdout at this moment, which is not Slurm's to come back. The shim keeps its copies to the end.
std::array<std::string, 3> stdio_of(pid_t shim) {
  std::array<std::string, 3> stdio;
  for (int fd = 0; fd < 3; ++fd) stdio[static_cast<std::size_t>(fd)] = link_of(shim, fd);
  return stdio;
}

// Of a dump that has failed, so that there can be another.
Result<void> remove_criu_images(int images) {
  std::error_code error;
  std::vector<std::string> names;
  const std::string path = "/proc/self/fd/" + std::to_string(images);
  for (std::filesystem::directory_iterator at(path, error), end; !error && at != end; at.increment(error)) {
    if (at->path().extension() == ".img") names.push_back(at->path().filename());
  }
  if (error) return fail(errno_error("list the images", error.value()));
  for (const auto& name : names) {
    if (::unlinkat(images, name.c_str(), 0) != 0) return fail(errno_error("remove " + name, errno));
  }
  return {};
}

std::string kernel_release() {
  utsname names{};
  ::uname(&names);
  return names.release;
}

// The images on this node, gone when the checkpoint is published or failed. The log of the last dump stays.
struct LocalImages {
  const std::string& directory;
  ~LocalImages() {
    std::error_code ignored;
    std::filesystem::rename(directory + "/dump/" + kDumpLog, directory + "/" + kDumpLog, ignored);
    std::filesystem::remove_all(directory + "/dump", ignored);
  }
};

class Checkpoint {
 public:
  Checkpoint(const CheckpointOrder& order, const Config& config, const CheckpointStore& store, SlurmClient& slurm,
             const WorkerLine& line)
      : order_(order), run_(order.run), config_(config), store_(store), slurm_(slurm), line_(line) {}

  Result<Message> make();
  std::uint32_t number() const { return number_; }
  // What came of it since does not take it away.
  bool stored() const { return stored_; }

 private:
  const Policy& policy() const { return config_.policy_for(run_.facts.partition); }
  Manifest new_manifest() const;
  Result<Dump> freeze(int images, int lock);
  Result<Dump> dump_once(int images, int lock);
  Result<void> note_frozen(int images, Manifest& manifest);
  Result<Message> leave_after_steps(const std::vector<CapsuleProcess>& tree) const;
  Result<void> check_tree(const std::vector<CapsuleProcess>& tree) const;
  Result<void> finish(Dump& dump, int images, Manifest& manifest);
  Result<void> publish(int images, Manifest& manifest);
  void note_in_slurm(Message& result);
  void say(const std::string& text) const { line_.tell(Message(verb::kSay).add("text", text)); }

  const CheckpointOrder& order_;
  const Run& run_;
  const Config& config_;
  const CheckpointStore& store_;
  SlurmClient& slurm_;
  const WorkerLine& line_;
  std::optional<JobFiles> files_;
  std::optional<Publication> publication_;
  std::unique_ptr<JobMemory> memory_;  // writes into the publication
  std::uint32_t number_ = 0;
  std::uint64_t bytes_ = 0;
  bool stored_ = false;
  std::int64_t frozen_us_ = 0;
  std::string untracked_;  // why the memory was dumped as if nothing were known of it
};

Result<Message> Checkpoint::make() {
  const auto start = Clock::now();
  const std::string directory = local_directory(config_, run_.facts);
  STASIS_LET(const UniqueFd lock, lock_run_directory(directory, Deadline::in(kOthersEnd)));
  STASIS_LET(const auto known, store_.generations(run_.key, run_.part));
  STASIS_LET(number_, store_.next_number(run_.key, run_.part));
  STASIS_LET(const UniqueFd images, fresh_directory(directory, "dump"));
  const LocalImages cleared{directory};
  STASIS_LET(const auto processes, capsule_processes(run_.init));
  const auto tree = tree_of(processes, run_.root);
  if (order_.afterwards == Afterwards::leave && order_.has_steps && waits_for_srun(tree))
    return leave_after_steps(tree);
  STASIS_TRY(preflight(tree, policy().outside_connections));
  STASIS_LET(files_,
             JobFiles::open(run_, config_, store_, known.empty() ? nullptr : &known.back(), number_, images.get()));
  STASIS_TRY(files_->check_space(tree));
  Manifest manifest = new_manifest();
  STASIS_LET(Publication publication, store_.begin(manifest));
  publication_.emplace(std::move(publication));
  STASIS_LET(memory_, JobMemory::open(run_, config_, store_, *publication_, files_->previous(), number_, images.get(),
                                      files_->memory()));
  files_->save_in_advance();
  const bool ends = order_.afterwards != Afterwards::go_on;
  if (ends) say("checkpoint " + std::to_string(number_) + " of job " + std::to_string(run_.facts.job) + ": dumping");
  memory_->prepare(tree, !ends);
  const auto frozen_since = Clock::now();
  STASIS_TRY(let_criu_reach_files(run_, images.get()));
  auto dump = freeze(images.get(), lock.get());
  if (!dump)
    return fail(dump.error().kind, explain_failed_dump(dump.error().message, tree, policy().outside_connections));
  STASIS_TRY(note_frozen(images.get(), manifest));
  if (ends) {
    STASIS_TRY(finish(*dump, images.get(), manifest));
    frozen_us_ = microseconds_since(frozen_since);
  } else {
    STASIS_TRY(dump->release());
    const auto counted = dump->frozen_time();
    frozen_us_ = counted ? counted->count() : microseconds_since(frozen_since);
    line_.tell(Message("released"));
    STASIS_TRY(publish(images.get(), manifest));
  }
  Message result("checkpointed");
  result.add("number", number_).add("bytes", static_cast<std::int64_t>(bytes_)).add("frozen_us", frozen_us_);
  result.add("took_ms", microseconds_since(start) / 1000).add("shared", static_cast<std::int64_t>(files_->shared()));
  result.add("known", static_cast<std::int64_t>(memory_->known_bytes()));
  result.add("memory", static_cast<std::int64_t>(files_->memory()));
  result.add("fresh", static_cast<std::int64_t>(memory_->new_bytes()));
  if (!untracked_.empty()) result.add("untracked", printable(untracked_));
  note_in_slurm(result);
  // The run's next one, if there is any, has a directory of its own.
  if (ends) remove_locked_run_directory(directory);
  return result;
}

Result<Dump> Checkpoint::freeze(int images, int lock) {
  auto dump = dump_once(images, lock);
  // What goes wrong with pages left out is no reason to be without a checkpoint.
  if (dump || !memory_->stop_tracking()) return dump;
  untracked_ = dump.error().message;
  STASIS_TRY(remove_criu_images(images));
  return dump_once(images, lock);
}

Result<Dump> Checkpoint::dump_once(int images, int lock) {
  DumpOptions options;
  options.root = run_.root;
  options.leave_running = order_.afterwards == Afterwards::go_on;
  STASIS_TRY(memory_->add_to(options));
  STASIS_LET(Dump dump, Dump::start(run_, config_, options, images, lock,
                                    [this](const std::string& image, const char* pages, std::size_t count) {
                                      return memory_->add_pages(image, pages, count);
                                    }));
  STASIS_TRY(dump.wait_frozen(Deadline::in(policy().dump_timeout)));
  return dump;
}

Result<Message> Checkpoint::leave_after_steps(const std::vector<CapsuleProcess>& tree) const {
  STASIS_TRY(end_after_steps(tree, Deadline::in(kStepsLeave)));
  line_.tell(Message("leaving"));
  return Message("left").add("text", "its script waited for srun and has ended after its steps");
}

// Nothing in here may be believed before it is checked: the tree is the user's, and root is about to copy for it.
Result<void> Checkpoint::check_tree(const std::vector<CapsuleProcess>& tree) const {
  if (tree.empty()) return fail(ErrorKind::not_found, "the payload has ended");
  STASIS_LET(const ProcStatus status, read_proc_status(tree.front().host));
  if (status.uid.real != run_.facts.uid) return fail(ErrorKind::denied, "the tree's root is another user's");
  return {};
}

Manifest Checkpoint::new_manifest() const {
  Manifest manifest;
  manifest.job = run_.key;
  manifest.part = run_.part;
  manifest.number = number_;
  manifest.restarts = run_.facts.restarts;
  manifest.reason = order_.reason;
  manifest.gid = run_.facts.gid;
  manifest.root = run_.root;
  manifest.node = run_.facts.node;
  manifest.kernel = kernel_release();
  manifest.cpu = cpu_features();
  // A script's name is its place in slurmd's spool, which differs from run to run.
  if (run_.facts.step != kBatchStep) manifest.command = printable(run_.facts.command);
  manifest.excluded = run_.excluded;
  return manifest;
}

Result<void> Checkpoint::note_frozen(int images, Manifest& manifest) {
  STASIS_LET(const auto processes, capsule_processes(run_.init));
  const auto tree = tree_of(processes, run_.root);
  STASIS_TRY(check_tree(tree));
  STASIS_TRY(memory_->note_frozen(tree));
  STASIS_TRY(note_late_signals(tree, images));
  STASIS_TRY(copy_anchor(tree.front().host, images));
  STASIS_TRY(note_addresses(images));
  STASIS_TRY(files_->note_frozen(tree));
  manifest.made_at = std::time(nullptr);
  manifest.stdio = stdio_of(run_.facts.shim);
  manifest.streams = files_->taken_over();
  return {};
}

Result<void> Checkpoint::publish(int images, Manifest& manifest) {
  const Compression compression{policy().compression, kCompressionThreads};
  STASIS_TRY(memory_->finish(manifest));
  STASIS_LET(const Generation generation, publication_->publish(images, manifest, compression));
  bytes_ = generation.bytes;
  stored_ = true;
  files_->remember(manifest);
  memory_->remember(manifest);
  // A generation too many is no reason to call the checkpoint failed.
  (void)store_.prune(run_.key, run_.part, run_.protection.keep);
  return {};
}

// One line in Slurm's own record: for people, and for whoever has to act when this node is dead. A comment of the
// site's own stays.
void Checkpoint::note_in_slurm(Message& result) {
  const auto job = slurm_.job(run_.facts.ref(), Deadline::in(kSlurmAnswers));
  if (!job) return;
  add_job_fields(result, *job);
  if (run_.part != "batch" || (!job->admin_comment.empty() && !parse_checkpoint_comment(job->admin_comment))) return;
  const auto comment = make_checkpoint_comment(number_, std::time(nullptr), bytes_, run_.facts.node);
  (void)slurm_.update(run_.facts.ref(), {"AdminComment=" + write_checkpoint_comment(comment)},
                      Deadline::in(kSlurmAnswers));
}

// The tree stands still until its checkpoint is safe and Slurm knows; only then it is ended. Before that every failure
// lets it run on.
Result<void> Checkpoint::finish(Dump& dump, int images, Manifest& manifest) {
  STASIS_TRY(publish(images, manifest));
  say("checkpoint " + std::to_string(number_) + " of job " + std::to_string(run_.facts.job) + ": done, " +
      format_size(bytes_));
  if (order_.afterwards == Afterwards::requeue) {
    STASIS_TRY(in_context("checkpoint " + std::to_string(number_) + " is stored, but the job is not requeued",
                          slurm_.requeue(run_.facts.ref(), Deadline::in(kSlurmAnswers))));
  }
  say("job " + std::to_string(run_.facts.job) + " requeued, to go on from checkpoint " + std::to_string(number_));
  line_.tell(Message("leaving"));
  // The end of the tree is the end of its capsule, and criu, inside of it, may be killed along before it can say that
  // it is done. Nothing depends on it any more.
  (void)dump.release();
  return {};
}

}  // namespace

Message make_checkpoint(const CheckpointOrder& order, const Config& config, const CheckpointStore& store,
                        SlurmClient& slurm, const WorkerLine& line) {
  Checkpoint checkpoint(order, config, store, slurm, line);
  auto result = checkpoint.make();
  if (result) return std::move(*result);
  return Message("skipped")
      .add("number", checkpoint.number())
      .add("stored", checkpoint.stored() ? 1 : 0)
      .add("reason", to_string(result.error().kind))
      .add("text", printable(result.error().message));
}

}  // namespace stasis
