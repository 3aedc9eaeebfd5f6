# frozen_string_literal: true

require_relative "support"

class ByHandTest < Minitest::Test
  include Servers

  # As much of Capistrano's DSL as is asked for.
  Dsl = Struct.new(:variables, :servers) do
    def fetch(name)
      variables[name]
    end

    def roles(name)
      servers.select { |server| server.has_role?(name) }
    end

    def release_roles(*)
      servers.reject { |server| server.fetch(:no_release) }
    end
  end

  def hand(variables = {}, environment = {}, servers = [])
    Capistrano::Murder::ByHand.new(Dsl.new(Capistrano::Murder::ByHand::DEFAULTS.merge(variables), servers),
                                   environment.transform_keys(&:to_s))
  end

  def test_what_is_given_comes_before_the_default
    assert_equal "v7", hand({ default_tag: "v1" }, { tag: "v7" }).tag
    assert_equal "v2", hand({ default_tag: "v1", tag: "v2" }).tag
    assert_equal "v1", hand({ default_tag: "v1" }).tag
    assert_equal "/tmp/v1.torrent", hand({ default_tag: "v1" }).temp("torrent")
    assert_equal "/var/tmp/v1.torrent", hand({ default_tag: "v1" }, { temp_path: "/var/tmp" }).temp("torrent")
  end

  def test_what_is_missing_or_cannot_be_is_said
    { [{}, {}] => "tag= is needed", [{}, { tag: "a/b" }] => "tag=a/b", [{}, { tag: ".." }] => "tag=.." }.each do |given, words|
      error = assert_raises(Capistrano::Murder::Error) { hand(*given).tag }
      assert_includes error.message, words
    end
    ["/", "relative", "//", ""].each do |path|
      assert_raises(Capistrano::Murder::Error) { hand({}, { destination_path: path }).destination_path }
    end
    assert_raises(Capistrano::Murder::Error) { hand.files_path }
  end

  def test_where_files_land
    given = { tag: "v7", destination_path: "/srv/files/" }
    assert_equal ["/srv/files/v7", "/srv/files/.murder-v7"], hand({}, given).then { |h| [h.target, h.work_folder] }
    flat = hand({}, given.merge(no_tag_directory: "1"))
    assert_equal ["/srv/files", "/srv/files/.murder-v7"], [flat.target, flat.work_folder]
    file = hand({}, given.merge(path_is_file: "yes"))
    assert_equal ["/srv/files", "/srv/.murder-v7"], [file.target, file.work_folder]
  end

  def test_switches_are_off_when_they_say_so
    assert hand({}, { path_is_file: "yes" }).file?
    assert hand({ path_is_file: true }).file?
    ["", "0", "false", "no"].each { |value| refute hand({}, { path_is_file: value }).file? }
    refute hand.file?
  end

  def test_roles_and_what_they_are_without_servers
    servers = [server("web1", roles: %i[app]), server("web2", roles: %i[app]), server("t", roles: %i[tracker]),
               server("db", roles: %i[db], no_release: true)]
    by_hand = hand({}, {}, servers)
    assert_equal %w[web1 web2], by_hand.peers.map(&:hostname)
    assert_equal %w[t web1], [by_hand.tracker, by_hand.seeder].map(&:hostname)
    assert_equal %w[t web1 web2], by_hand.everybody.map(&:hostname)
    named = hand({}, {}, [*servers, server("p", roles: %i[peer]), server("s", roles: %i[seeder])])
    assert_equal [["p"], "s"], [named.peers.map(&:hostname), named.seeder.hostname]
  end

  def test_command_lines
    given = hand({ tracker_port: 9000 }, { tag: "v7", files_path: "~/my files", destination_path: "/srv/a b" })
    assert_equal %w[tracker --daemon --listen 0.0.0.0:9000], given.start_tracker("10.0.0.1")
    assert_equal %w[tracker --daemon --listen [::]:9000], given.start_tracker("2001:db8::1")
    assert_equal %w[stop tracker 9000], given.stop_tracker
    assert_equal ["pack", "~/my\\ files", "-o", "/tmp/v7.tar.zst", "--tag", "v7", "--tracker",
                  "http://10.0.0.1:9000/announce"], given.pack("10.0.0.1")
    assert_includes given.pack("2001:db8::1"), "http://[2001:db8::1]:9000/announce"
    assert_equal %w[seed /tmp/v7.torrent --from /x --daemon], given.seed("/x")
    assert_equal %w[stop seed v7], given.stop_seeding
    assert_equal %w[stop peer --all], given.stop_all("peer")
    assert_equal ["peer", "/srv/a\\ b/.murder-v7/.murder.torrent", "--to", "/srv/a\\ b/.murder-v7", "--detach",
                  "--timeout", "10m"], given.peer
  end

  def test_the_binary_for_a_host
    Dir.mktmpdir do |folder|
      FileUtils.mkdir_p(["#{folder}/bin", "#{folder}/libexec/murder"])
      FileUtils.touch(["#{folder}/bin/murder", "#{folder}/bin/murder-x86_64", "#{folder}/libexec/murder/murder-aarch64"])
      binary = Capistrano::Murder::HostBinary.new("#{folder}/bin/murder")
      assert_equal "#{folder}/bin/murder-x86_64", binary.path("amd64")
      assert_equal "#{folder}/libexec/murder/murder-aarch64", binary.path("aarch64")
      error = assert_raises(Capistrano::Murder::Error) { binary.path("riscv64") }
      assert_includes error.message, "no murder for riscv64 hosts here"
      assert_equal "#{folder}/bin/murder",
                   Capistrano::Murder::HostBinary.new("/x", chosen: "#{folder}/bin/murder").path("riscv64")
    end
  end
end
