#include "plugin/plugin.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>

#include "core/error.h"

namespace backfill {
namespace {

namespace fs = std::filesystem;

const fs::path built = BACKFILL_TEST_PLUGINS;

// A folder of its own, gone with the test; the plugin path is empty meanwhile.
class PluginTest : public testing::Test {
 protected:
  PluginTest() {
    std::string pattern = (fs::temp_directory_path() / "backfill-plugin-XXXXXX").string();
    folder_ = ::mkdtemp(pattern.data());
    ::unsetenv("BACKFILL_PLUGIN_PATH");
  }
  ~PluginTest() override {
    ::unsetenv("BACKFILL_PLUGIN_PATH");
    fs::remove_all(folder_);
  }

  fs::path make_folder(const std::string& name) const {
    fs::create_directories(folder_ / name);
    return folder_ / name;
  }
  static void copy(const std::string& plugin, const fs::path& to) {
    fs::copy_file(built / (plugin + ".so"), to, fs::copy_options::overwrite_existing);
  }

  // What the refusal says; empty when the plugin opens.
  static std::string refusal(const std::string& name, const fs::path& job_folder) {
    try {
      Plugin::open(name, job_folder);
      return "";
    } catch (const Error& error) {
      EXPECT_EQ(error.exit_code(), ExitCode::unsafe);
      return error.what();
    }
  }
  static std::string refusal_of_built(const std::string& plugin) {
    const std::string path = (built / (plugin + ".so")).string();
    std::string message = refusal(path, "/");
    const std::size_t at = message.find(path);
    return at == std::string::npos ? message : message.replace(at, path.size(), plugin);
  }

  fs::path folder_;
};

TEST_F(PluginTest, TellsNameVersionAndPath) {
  const auto plugin = Plugin::open((built / "upper_name.so").string(), "/");

  EXPECT_EQ(plugin->name(), "upper_name");
  EXPECT_EQ(plugin->version(), "3");
  EXPECT_EQ(plugin->path(), built / "upper_name.so");
}

TEST_F(PluginTest, LooksBesideTheJobFileFirst) {
  const fs::path job = make_folder("job");
  const fs::path listed = make_folder("listed");
  copy("upper_name", job / "mine.so");
  copy("no_symbol", listed / "mine.so");
  ::setenv("BACKFILL_PLUGIN_PATH", listed.c_str(), 1);

  EXPECT_EQ(Plugin::open("mine", job)->path(), job / "mine.so");
}

TEST_F(PluginTest, LooksInEachFolderOfThePath) {
  const fs::path listed = make_folder("listed");
  copy("upper_name", listed / "libmine.so");
  ::setenv("BACKFILL_PLUGIN_PATH", ("/nowhere::" + listed.string()).c_str(), 1);

  EXPECT_EQ(Plugin::open("mine", make_folder("job"))->path(), listed / "libmine.so");
}

TEST_F(PluginTest, TakesAPathFromTheJobFilesFolder) {
  copy("upper_name", make_folder("job/plugins") / "mine.so");

  EXPECT_EQ(Plugin::open("plugins/mine.so", folder_ / "job")->path(),
            folder_ / "job/plugins/mine.so");
}

TEST_F(PluginTest, TakesAFileNameBesideTheJobFile) {
  const fs::path job = make_folder("job");
  copy("upper_name", job / "mine.so");

  EXPECT_EQ(Plugin::open("mine.so", job)->path(), job / "mine.so");
}

TEST_F(PluginTest, SaysWhereItLooked) {
  ::setenv("BACKFILL_PLUGIN_PATH", "/nowhere", 1);

  const std::string message = refusal("mine", folder_);

  EXPECT_NE(message.find("plugin mine: not found"), std::string::npos) << message;
  EXPECT_NE(message.find((folder_ / "mine.so").string()), std::string::npos) << message;
  EXPECT_NE(message.find("/nowhere/libmine.so"), std::string::npos) << message;
  EXPECT_NE(message.find("/lib/backfill/mine.so"), std::string::npos) << message;
}

TEST_F(PluginTest, RefusesAFileThatAnybodyMayWrite) {
  copy("upper_name", folder_ / "mine.so");
  ::chmod((folder_ / "mine.so").c_str(), 0666);

  EXPECT_NE(refusal("mine", folder_).find("anybody may write this file"), std::string::npos);
}

TEST_F(PluginTest, RefusesAFolderThatAnybodyMayWrite) {
  copy("upper_name", folder_ / "mine.so");
  ::chmod(folder_.c_str(), 0777);

  EXPECT_NE(refusal("mine", folder_).find("anybody may write its folder"), std::string::npos);
}

TEST_F(PluginTest, TakesItsOwnersFileFromAStickyFolderByItsPathOnly) {
  const fs::path job = make_folder("job");
  copy("upper_name", folder_ / "mine.so");
  ::chmod(folder_.c_str(), 01777);
  ::setenv("BACKFILL_PLUGIN_PATH", folder_.c_str(), 1);

  EXPECT_EQ(refusal((folder_ / "mine.so").string(), job), "");
  EXPECT_EQ(refusal("../mine.so", job), "");
  for (const fs::path& folder : {job, folder_}) {
    const std::string message = refusal("mine", folder);
    EXPECT_NE(message.find("found by its name in " + folder_.string() + ", a folder that anybody"),
              std::string::npos)
        << message;
  }
}

TEST_F(PluginTest, RefusesAnotherUsersLinkInAStickyFolder) {
  if (::geteuid() != 0) GTEST_SKIP() << "only root can make another user's link";
  copy("upper_name", make_folder("own") / "mine.so");
  const fs::path open = make_folder("open");
  ::chmod(open.c_str(), 01777);
  fs::create_symlink(folder_ / "own/mine.so", open / "mine.so");
  ASSERT_EQ(::lchown((open / "mine.so").c_str(), 12345, 12345), 0);

  EXPECT_NE(refusal((open / "mine.so").string(), folder_).find("belongs to another user"),
            std::string::npos);
}

TEST_F(PluginTest, RefusesALinkIntoAnUnsafeFolder) {
  const fs::path unsafe = make_folder("unsafe");
  copy("upper_name", unsafe / "mine.so");
  ::chmod(unsafe.c_str(), 0777);
  const fs::path job = make_folder("job");
  fs::create_symlink(unsafe / "mine.so", job / "mine.so");

  EXPECT_NE(refusal("mine", job).find("anybody may write its folder"), std::string::npos);
}

TEST_F(PluginTest, RefusesAFileThatIsNoLibrary) {
  std::ofstream(folder_ / "mine.so") << "not a library";

  EXPECT_NE(refusal("mine", folder_).find("cannot be loaded"), std::string::npos);
}

TEST_F(PluginTest, RefusesALibraryThatIsNoPlugin) {
  EXPECT_EQ(refusal_of_built("no_symbol"),
            "plugin no_symbol: has no symbol backfill_transform_entry; end its source with "
            "BACKFILL_TRANSFORM(…)");
}

TEST_F(PluginTest, RefusesAnotherContract) {
  EXPECT_EQ(refusal_of_built("wrong_contract"),
            "plugin wrong_contract speaks contract 2, this backfill speaks 1; build it against "
            "this backfill's headers");
}

TEST_F(PluginTest, RefusesAStructThatIsTooSmallOrHasHoles) {
  EXPECT_NE(refusal_of_built("too_small").find("has 16 bytes"), std::string::npos);
  EXPECT_EQ(refusal_of_built("null_apply"), "plugin null_apply: its apply is NULL");
}

TEST_F(PluginTest, RefusesANameOrVersionThatWouldBreakALine) {
  EXPECT_EQ(refusal_of_built("odd_name"),
            "plugin odd_name: its name must be 1 to 200 printable bytes on one line");
  EXPECT_EQ(refusal_of_built("empty_version"),
            "plugin empty_version: its version must be 1 to 200 printable bytes on one line");
}

}  // namespace
}  // namespace backfill
