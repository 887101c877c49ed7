// The program as people run it: without a network, on a text of its own making.
#include <algorithm>

#include "distill/mlot_step.hpp"
#include "distill/workplace.hpp"
#include "test.hpp"

#ifdef MLOT_TEST_DISTILL
using distill_test::bytes_of;

namespace {
class workplace : public distill_test::workplace {
 public:
  int run(std::string const& arguments, std::string const& environment = "") const {
    return distill_test::workplace::run(MLOT_TEST_DISTILL, arguments, environment);
  }
};

void refuses(std::string const& arguments, std::string const& word) {
  CAPTURE(arguments);
  workplace const here;
  CHECK(here.run(arguments) == 2);
  std::string const said = bytes_of(here / "err");
  CAPTURE(said);
  CHECK(said.find(word) != said.npos);
  CHECK(std::count(said.begin(), said.end(), '\n') == 1);
  CHECK(bytes_of(here / "out").empty());
}
}  // namespace

TEST_CASE("a quick run reports and draws, the same on one thread and on three") {
  workplace const here;
  here.write_text();
  REQUIRE(here.run("--quick --corpus text --out one --threads 1") == 0);
  std::string const said = bytes_of(here / "out");
  for (char const* word : {"bits/byte", "HAD", "SL", "SD", "% in the loss"})
    CHECK(said.find(word) != said.npos);
  REQUIRE(here.run("--quick --corpus text --out two --threads 3") == 0);
  for (char const* name : {"bits_per_byte.svg", "terms.svg", "transport_plan.svg"}) {
    std::string const picture = bytes_of(here / (std::string("one/") + name));
    CHECK(picture.rfind("<?xml", 0) == 0);
    CHECK(picture == bytes_of(here / (std::string("two/") + name)));
  }
}

TEST_CASE("the gradients are checked on demand") {
  workplace const here;
  CHECK(here.run("--check") == 0);
  CHECK(here.run("--check --device scalar --k 7 --epsilon 0.05 --iterations 3") == 0);
}

TEST_CASE("bad values end with one line and 2") {
  refuses("--seeds 0", "--seeds");
  refuses("--epochs x", "--epochs");
  refuses("--k 0", "--k");
  refuses("--epsilon 0", "--epsilon");
  refuses("--epsilon nan", "--epsilon");
  refuses("--alpha -1", "--alpha");
  refuses("--beta inf", "--beta");
  refuses("--iterations 0", "--iterations");
  refuses("--device tpu", "--device");
  if (!distill::available(distill::loss_device::cuda)) refuses("--device cuda", "--device cuda");
  refuses("--threads 0", "--threads");
  refuses("--loss nonsense", "universal-logit");
  refuses("--level word", "sequence or token");
  refuses("--matching best", "--matching");
  refuses("--temperature 0", "--temperature");
  refuses("--student-tokenizer words", "--student-tokenizer");
  refuses("--teacher-pieces 70000", "--teacher-pieces");
  refuses("--loss universal-logit --gamma 1", "--gamma: only of --loss multi-level");
  refuses("--loss forward-kl --shared-tokenizer --epsilon 1", "--epsilon");
  refuses("--check --shared-tokenizer --loss adaptive-kl", "--check");
  refuses("--check --matching exact", "--check");
  refuses("--nonsense", "--nonsense");
  refuses("--corpus nowhere.txt", "nowhere.txt");
  refuses("--corpus .", "--corpus");
  refuses("--corpus /dev/null --out /dev/null/x", "--out");
}

TEST_CASE("losses over one vocabulary want one tokenizer, and say which losses do not") {
  for (char const* loss : {"sinkd", "forward-kl", "reverse-kl", "jensen-shannon", "skewed-kl",
                           "skewed-reverse-kl", "adaptive-kl", "total-variation"}) {
    std::string const chosen = std::string("--loss ") + loss;
    refuses(chosen, "--shared-tokenizer");
    refuses(chosen, "--loss multi-level or universal-logit");
    refuses(chosen + " --student-tokenizer unigram", "--shared-tokenizer");  // sizes differ
  }
}

TEST_CASE("every loss trains a student, with every kind of tokenizer") {
  workplace const here;
  here.write_text();
  std::string const quick = "--quick --corpus text --out made --seeds 1 --epochs 1 ";
  auto const trains = [&](std::string const& arguments, std::string const& word) {
    CAPTURE(arguments);
    CHECK(here.run(quick + arguments) == 0);
    CHECK(bytes_of(here / "out").find(word) != std::string::npos);
  };
  trains("--loss universal-logit --teacher-tokenizer char", "CE + ULD");
  trains("--loss sinkd --shared-tokenizer", "CE + SinKD");
  trains("--loss jensen-shannon --teacher-tokenizer bpe --teacher-pieces 200", "CE + Jensen");
  trains("--loss forward-kl --teacher-tokenizer char --student-tokenizer char --student-pieces 400",
         "forward KL");
  trains("--level token --student-tokenizer unigram", "SD a token");
  trains("--matching greedy --had 0 --temperature 2", "HAD a token");
}

TEST_CASE("a corpus too small is refused") {
  workplace const here;
  here.write("text", "Just one sentence.\n");
  CHECK(here.run("--corpus text") == 2);
  CHECK(bytes_of(here / "err").find("too small") != std::string::npos);
}

TEST_CASE("without apt-get the way out is named") {
  workplace const here;
  CHECK(here.run("--out new", "PATH=/nowhere ") == 2);
  CHECK(bytes_of(here / "err").find("--corpus FILE") != std::string::npos);
}
#endif
