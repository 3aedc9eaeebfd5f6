# frozen_string_literal: true

require_relative "support"

class SourceTest < Minitest::Test
  IDENTITY = ["-c", "user.name=a", "-c", "user.email=a@example.com", "-c", "protocol.file.allow=always"].freeze

  def setup
    @folder = Dir.mktmpdir
    @repository = File.join(@folder, "repository")
    Dir.mkdir(@repository)
    git("init", "--quiet", "--initial-branch", "main")
    write("app/bin/run", "1")
    File.chmod(0o755, File.join(@repository, "app/bin/run"))
    write("README", "1")
    write("doc/secret", "1")
    write(".gitattributes", "doc export-ignore\n")
    commit
    git("tag", "v1")
  end

  def teardown
    FileUtils.remove_entry(@folder)
  end

  def git(*arguments, folder: @repository)
    said, status = Open3.capture2e("git", *IDENTITY, "-C", folder, *arguments)
    assert status.success?, said
    said.strip
  end

  def write(name, text)
    path = File.join(@repository, name)
    FileUtils.mkdir_p(File.dirname(path))
    File.write(path, text)
  end

  def commit
    git("add", "--all")
    git("commit", "--quiet", "-m", "change")
  end

  def source(url: @repository, branch: "main", **options)
    Capistrano::Murder::Source::Git.new(repo_url: url, branch: branch, cache: File.join(@folder, "cache"), **options)
  end

  def files_of(source)
    source.with_files { |folder| Dir.glob("**/*", File::FNM_DOTMATCH, base: folder).reject { |f| File.directory?("#{folder}/#{f}") } }
          .sort
  end

  def test_a_revision_as_git_exports_it
    assert_equal [".gitattributes", "README", "app/bin/run"], files_of(source)
    assert_equal git("rev-parse", "HEAD"), source.revision
    assert_equal ["--include-vcs"], source.flags
  end

  def test_a_folder_of_it
    assert_equal ["bin/run"], files_of(source(tree: "/app/"))
    error = assert_raises(Capistrano::Murder::Error) { files_of(source(tree: "nowhere")) }
    assert_includes error.message, "nowhere"
  end

  def test_modes_do_not_depend_on_the_umask
    modes = [0o022, 0o077].map do |umask|
      before = File.umask(umask)
      source.with_files { |folder| Dir.glob("#{folder}/**/*").sort.map { |file| File.stat(file).mode & 0o777 } }
    ensure
      File.umask(before)
    end
    assert_equal modes[0], modes[1]
    assert_equal [0o644, 0o755, 0o755, 0o755], modes[0]
  end

  def test_a_remote_repository_is_mirrored_and_brought_up_to_date
    url = "file://#{@repository}"
    assert_equal git("rev-parse", "HEAD"), source(url: url).revision
    write("README", "2")
    commit
    assert_nil source(url: url).check
    assert_equal git("rev-parse", "HEAD"), source(url: url).revision
    assert_equal git("rev-parse", "v1"), source(url: url, branch: "v1").revision
    assert_includes files_of(source(url: url)), "README"
  end

  def test_what_is_not_there_is_named
    { { branch: "nowhere" } => "cannot find nowhere", { url: "file://#{@folder}/none" } => "cannot reach",
      { url: "file://#{@repository}", branch: "nowhere" } => "cannot find nowhere",
      { url: @folder } => "cannot find a git repository in" }.each do |options, words|
      error = assert_raises(Capistrano::Murder::Error) { source(**options).check }
      assert_includes error.message, words
    end
  end

  def test_what_is_left_out_is_said
    said = Said.new
    write(".gitmodules", "[submodule \"x\"]\n path = x\n url = ../x\n")
    commit
    write("README", "changed")
    Dir.chdir(@repository) { files_of(source(url: nil, output: said)) }
    assert_equal ["submodules are not deployed", "what is not committed here is not deployed"],
                 said.lines.map { |line| line[/warn: ([^:]+)/, 1] }
  end

  def test_a_build_folder
    build = File.join(@folder, "build")
    error = assert_raises(Capistrano::Murder::Error) { Capistrano::Murder::Source::Folder.new(build).check }
    assert_includes error.message, "it is not there"
    Dir.mkdir(build)
    assert_raises(Capistrano::Murder::Error) { Capistrano::Murder::Source::Folder.new(build).check }
    File.write(File.join(build, "app"), "1")
    assert_equal build, Capistrano::Murder::Source::Folder.new(build).with_files { |folder| folder }
  end
end
