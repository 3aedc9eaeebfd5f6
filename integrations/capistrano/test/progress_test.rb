# frozen_string_literal: true

require_relative "support"

class ProgressTest < Minitest::Test
  def setup
    @said = Said.new
    @now = 0
    @progress = Capistrano::Murder::Progress.new(@said, 2, clock: -> { @now })
  end

  def add(event, **fields)
    @progress.add({ "event" => event }.merge(fields.transform_keys(&:to_s)))
  end

  def test_a_host_on_its_way
    %w[reached staging staged].each { |state| add("host", host: "web1", state: state) }
    add("host", host: "web2", state: "staged")
    assert_equal ["info: web1 answers", "info: web1 fetches", "info: web1 has it (1 of 2)",
                  "info: web2 has it (2 of 2)"], @said.lines
  end

  def test_a_host_that_fails_is_named_with_its_reason
    add("host", host: "web1", state: "failed", phase: "stage", reason: "no room")
    add("host", host: "web2", state: "failed", phase: "reach", reason: "refused")
    assert_equal ["error: web1 failed to fetch it: no room", "error: web2 failed to answer: refused"], @said.lines
  end

  def slowest(*percents)
    percents.each_with_index.map { |percent, i| { "name" => "web#{i + 1}", "percent" => percent } }
  end

  def test_percent_of_the_slowest_now_and_then
    add("fleet", hosts: 5, complete: 1, slowest: slowest(1.5, 20, 30, 40))
    add("fleet", hosts: 5, complete: 2, slowest: slowest(2.5, 20, 30, 40))
    @now = 2.1
    add("fleet", hosts: 5, complete: 3, slowest: slowest(90.9, 99.9))
    assert_equal ["info: 1 of 5 hosts have all of it; web1 1 %, web2 20 %, web3 30 % and more",
                  "info: 3 of 5 hosts have all of it; web1 90 %, web2 99 %"], @said.lines
  end

  def test_a_large_fleet_is_not_named_host_by_host
    progress = Capistrano::Murder::Progress.new(@said, 1000)
    %w[reached staging staged].each { |state| progress.add("event" => "host", "host" => "web1", "state" => state) }
    assert_equal ["debug: web1 answers", "debug: web1 fetches", "info: web1 has it (1 of 1000)"], @said.lines
  end

  def test_what_is_known_at_the_end
    add("host_report", host: "web1", good: true, fetched_bytes: 1_500_000, fed_bytes: 0, notes: ["fed over ssh"])
    add("host_report", host: "web2", good: false, reason: "no room", fetched_bytes: 7, fed_bytes: 7)
    add("summary", tag: "4f1c", seconds: 2.34)
    add("error", message: "1 of 2 hosts failed")
    assert_equal "4f1c is on 1 host after 2.3 s; 1.5 MB came through the swarm, 0 B over ssh", @progress.summary
    assert_equal ["web2"], @progress.failed.map { |report| report["host"] }
    assert_equal "1 of 2 hosts failed", @progress.problem
    assert_includes @said.lines, "info: web1: fed over ssh"
  end

  def test_what_is_not_known_is_skipped
    add("of the future", host: "web1")
    add("host", host: "web1", state: "of the future")
    assert_empty @said.lines
  end
end
