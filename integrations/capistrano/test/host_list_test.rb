# frozen_string_literal: true

require_relative "support"
require "net/ssh/proxy/command"
require "net/ssh/proxy/http"
require "net/ssh/proxy/jump"

class HostListTest < Minitest::Test
  include Servers

  def list(*servers, **options)
    Capistrano::Murder::HostList.new(servers, options)
  end

  def config_of(**options)
    list(server("web1"), **options).ssh_config
  end

  def test_users_ports_and_addresses_of_both_kinds
    hosts = list(server("web1"), server("deploy@web2:2222"), server("[2001:db8::1]:22"), server("web3", user: "app"))
    assert_equal "web1\ndeploy@web2:2222\n[2001:db8::1]:22\napp@web3\n", hosts.to_s
  end

  def test_whose_word_counts_is_as_with_sshkit
    hosts = list(server("web1", port: 22), server("me@web2"), server("web3", ssh_options: { port: 23, user: "two" }),
                 user: "one", port: 2222)
    # A server's own user comes first; its own port gives way to ssh_options.
    assert_equal "one@web1:2222\nme@web2:2222\ntwo@web3:23\n", hosts.to_s
  end

  def test_a_user_that_the_list_cannot_have_goes_into_the_configuration
    hosts = list(server("web1", user: 'DOMAIN\me'))
    assert_equal "web1\n", hosts.to_s
    assert_includes hosts.ssh_config, "Host web1\n  User \"DOMAIN\\me\"\n"
  end

  def test_labels_of_a_server
    assert_equal "web1 rack=\"r7\" addr=\"10.0.0.1\"\n",
                 list(server("web1", murder: { rack: "r7", addr: "10.0.0.1" })).to_s
    error = assert_raises(Capistrano::Murder::Error) { list(server("web1", murder: { colour: "red" })) }
    assert_includes error.message, "not colour"
  end

  def test_options_in_the_words_of_ssh
    config = config_of(keys: ["/keys/my key", "/keys/100%"], keys_only: true, use_agent: false, compression: true,
                       auth_methods: %w[publickey hostbased], encryption: "aes128-ctr", host_name: "10.0.0.1",
                       host_key_alias: "web", user_known_hosts_file: %w[/a /b], bind_address: "10.0.0.9")
    ['IdentityFile "/keys/my key"', "IdentityFile /keys/100%%", "IdentitiesOnly yes", "IdentityAgent none",
     "Compression yes", "PreferredAuthentications publickey,hostbased", "Ciphers aes128-ctr", "HostName 10.0.0.1",
     "HostKeyAlias web", "UserKnownHostsFile /a /b", "BindAddress 10.0.0.9"].each do |line|
      assert_includes config, "\n  #{line}\n"
    end
  end

  def test_what_ssh_trusts_is_what_sshkit_trusts
    assert_includes config_of(verify_host_key: :always), "  StrictHostKeyChecking yes\n"
    assert_includes config_of(verify_host_key: :never), "  StrictHostKeyChecking no\n  UserKnownHostsFile /dev/null\n"
    # Not said: the user's own files come first, then what net-ssh does.
    assert_match(/Include.*\n\nHost \*\n  StrictHostKeyChecking accept-new\n\z/m, config_of)
    assert_raises(Capistrano::Murder::Error) { config_of(verify_host_key: Object.new) }
  end

  def test_jump_hosts_and_proxies
    assert_includes config_of(proxy: Net::SSH::Proxy::Jump.new("me@jump:22,other")), "  ProxyJump me@jump:22,other\n"
    assert_includes config_of(proxy: Net::SSH::Proxy::Command.new("nc -x p:1 %h %p")), "  ProxyCommand nc -x p:1 %h %p\n"
    error = assert_raises(Capistrano::Murder::Error) { config_of(proxy: Net::SSH::Proxy::HTTP.new("p", 8080)) }
    assert_includes error.message, "ssh_options[:proxy] of web1"
  end

  def test_whose_files_count
    assert_includes config_of, "  Include ~/.ssh/config\n  Include /etc/ssh/ssh_config\n"
    refute_includes config_of(config: false), "Include"
    assert_includes config_of(config: "/etc/fleet"), "  Include \"/etc/fleet\"\n"
  end

  def test_what_ssh_is_not_told_is_said
    hosts = list(server("web1"), password: "secret", key_data: ["KEY"], passphrase: "secret", shoes: 1)
    assert_equal 4, hosts.warnings.size
    refute_includes hosts.ssh_config + hosts.warnings.join, "secret"
    assert_empty list(server("web1"), forward_agent: true, timeout: 3, keepalive: true, known_hosts: Object.new).warnings
  end

  def test_values_cannot_break_out_of_their_line
    assert_raises(Capistrano::Murder::Error) { config_of(host_name: "a\nProxyCommand evil") }
    assert_raises(Capistrano::Murder::Error) { config_of(keys: 'a" b') }
    assert_raises(Capistrano::Murder::Error) { list(server("web[1-3]")) }
    assert_raises(Capistrano::Murder::Error) { list(server("-oProxyCommand=evil")) }
  end

  def test_one_host_with_two_ports
    assert_equal "web1:22\nweb1:23\n", list(server("web1:22"), server("web1:23")).to_s
    error = assert_raises(Capistrano::Murder::Error) do
      list(server("web1:22", ssh_options: { keys: "/a" }), server("web1:23", ssh_options: { keys: "/b" }))
    end
    assert_includes error.message, "give it an alias for each"
  end

  def test_this_machine_itself_is_refused
    assert_raises(Capistrano::Murder::Error) { list(Capistrano::Configuration::Server.new(:local)) }
  end

  # ssh reads what was written, and comes to the same.
  def test_ssh_understands_it
    Dir.mktmpdir do |folder|
      file = File.join(folder, "config")
      File.write(file, config_of(config: false, keys: "/keys/my key", keys_only: true, verify_host_key: :always,
                                 proxy: Net::SSH::Proxy::Jump.new("me@jump")))
      said = IO.popen(["ssh", "-G", "-F", file, "web1"], err: File::NULL, &:read)
      ["identityfile /keys/my key", "identitiesonly yes", "stricthostkeychecking true", "proxyjump me@jump"].each do |line|
        assert_includes said, "#{line}\n"
      end
    end
  end
end
