# frozen_string_literal: true

require_relative "support"

class ReleaseTest < Minitest::Test
  include Servers

  # A stand-in for murder: says what it was asked, and ends as it is told to.
  def murder(script)
    path = File.join(@folder, "murder")
    File.write(path, "#!/bin/sh\nprintf '%s\\n' \"$@\" >#{@folder}/arguments\ncat >#{@folder}/hosts\n" \
                     "echo \"$MURDER_SSH\" >#{@folder}/ssh\n#{script}\n")
    File.chmod(0o755, path)
    Capistrano::Murder::Program.new(path, @said)
  end

  def setup
    @said = Said.new
    @folder = Dir.mktmpdir
    @files = File.join(@folder, "build")
    Dir.mkdir(@files)
    File.write(File.join(@files, "app"), "1")
    @ssh = ENV.delete("MURDER_SSH")
  end

  def teardown
    ENV["MURDER_SSH"] = @ssh
    FileUtils.remove_entry(@folder)
  end

  def release(program, options = [])
    hosts = Capistrano::Murder::HostList.new([server("web1"), server("web2")])
    Capistrano::Murder::Release.new(program, hosts, staging: "/srv/app/murder", options: options)
  end

  def folder
    Capistrano::Murder::Source::Folder.new(@files)
  end

  def event(name, **fields)
    "echo '#{JSON.generate({ schema: 1, t: 0, event: name, **fields })}'"
  end

  def test_what_murder_is_asked
    program = murder(event("summary", tag: "4f1c", seconds: 1))
    _, staged = release(program, ["--up", "10MB/s"]).stage(folder)
    assert_equal "/srv/app/murder/releases/4f1c", staged
    assert_equal ["deploy", @files, "--to", "/srv/app/murder", "--stage-only", "--up", "10MB/s", "--hosts", "-", "--json"],
                 File.read("#{@folder}/arguments").split("\n")
    assert_equal "web1\nweb2\n", File.read("#{@folder}/hosts")
    assert_match(/\Assh -F \S+\n\z/, File.read("#{@folder}/ssh"))
  end

  def test_the_users_own_ssh_is_left_alone
    ENV["MURDER_SSH"] = "ssh -F mine"
    release(murder(event("summary", tag: "4f1c", seconds: 1))).stage(folder)
    assert_equal "ssh -F mine\n", File.read("#{@folder}/ssh")
  end

  def test_each_host_that_has_not_got_it_is_named_with_its_reason
    program = murder([event("host_report", host: "web1", good: true, state: "staged"),
                      event("host_report", host: "web2", good: false, state: "failed", reason: "no room: 3 MB free"),
                      "exit 3"].join("\n"))
    error = assert_raises(Capistrano::Murder::Error) { release(program).stage(folder) }
    assert_equal "the release is not on 1 host of 2; it waits on web1, where the next deploy finds it; nothing was " \
                 "switched: web2: no room: 3 MB free (murder ended with status 3)", error.message
  end

  def test_a_murder_that_names_no_release_is_not_believed
    assert_raises(Capistrano::Murder::Error) { release(murder(event("summary", tag: ""))).stage(folder) }
  end

  def test_what_murder_says_before_it_speaks_to_any_host
    program = murder("echo 'murder: deploy: no such flag --shoes' >&2; exit 2")
    error = assert_raises(Capistrano::Murder::Error) { release(program, ["--shoes"]).stage(folder) }
    assert_includes error.message, "no such flag --shoes (murder ended with status 2)"
  end

  def test_a_program_that_is_not_murder
    error = assert_raises(Capistrano::Murder::Error) { release(murder("echo Usage")).stage(folder) }
    assert_includes error.message, "is it murder?"
    missing = Capistrano::Murder::Program.new("no-such-murder", @said)
    error = assert_raises(Capistrano::Murder::Error) { release(missing).stage(folder) }
    assert_includes error.message, "no no-such-murder in PATH"
  end

  def test_flags_that_are_not_the_users_here
    ["--to=/", "--hosts", "--sudo", "--post-activate", "--keep", "--json"].each do |flag|
      error = assert_raises(Capistrano::Murder::Error) { release(nil, [flag]) }
      assert_includes error.message, ":murder_options cannot have #{flag[/[^=]+/]}"
    end
  end

  def test_each_signal_is_handed_on_and_the_end_awaited
    program = murder("trap 'echo told >>#{@folder}/signal; [ -e #{@folder}/once ] && exit 130; touch #{@folder}/once' " \
                     "INT\ntouch #{@folder}/runs\nwhile :; do sleep 0.05; done")
    main = Thread.current
    Thread.new do
      %w[runs once].each do |sign|
        sleep 0.02 until File.exist?("#{@folder}/#{sign}")
        main.raise(Interrupt)
      end
    end
    assert_raises(Interrupt) { release(program).stage(folder) }
    assert_equal "told\ntold\n", File.read("#{@folder}/signal")
    assert_equal 1, @said.lines.grep(/once more to end at once/).size
  end

  def test_what_is_not_ascii_is_read_whatever_the_locale
    before = Encoding.default_external
    silently { Encoding.default_external = Encoding::US_ASCII }
    program = murder([event("host_report", host: "web1", good: false, reason: "größer"), "exit 1"].join("\n"))
    error = assert_raises(Capistrano::Murder::Error) { release(program).stage(folder) }
    assert_includes error.message, "größer"
  ensure
    silently { Encoding.default_external = before }
  end

  def silently
    verbose, $VERBOSE = $VERBOSE, nil
    yield
  ensure
    $VERBOSE = verbose
  end
end
