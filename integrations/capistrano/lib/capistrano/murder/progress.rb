# frozen_string_literal: true

require "capistrano/murder/error"

module Capistrano
  module Murder
    # What `murder --json` says, as lines for people, and what is known at the end. The lines go to
    # whatever answers to debug, info, warn and error: an SSHKit backend.
    class Progress
      STATES = {
        "reached" => "answers",
        "staging" => "fetches",
        "staged" => "has it",
        "activated" => "has it, live",
        "healthy" => "has it, live and well",
        "unchanged" => "had it already",
        "not_switched" => "has it",
        "unknown" => "was interrupted: what it did last is not known"
      }.freeze
      # Of a fleet larger than this it is said who has it and who failed, not who answers.
      SMALL_FLEET = 32
      NAMED = 3
      PERCENT_EVERY_S = 2

      attr_reader :reports, :problem, :tag, :pruned

      def initialize(output, hosts, clock: -> { Process.clock_gettime(Process::CLOCK_MONOTONIC) })
        @output = output
        @hosts = hosts
        @clock = clock
        @reports = {}
        @staged = 0
        @told = nil
        @told_at = nil
        @pruned = []
      end

      # One object of docs/events.md. What is not known is skipped, as that page asks.
      def add(event)
        handler = "on_#{event['event']}"
        send(handler, event) if respond_to?(handler, true)
      end

      # "4f1c09ab77de is on 3 hosts after 2.3 s; 29.4 MB came from other hosts, 0 B over ssh"
      def summary
        fetched, fed = %w[fetched_bytes fed_bytes].map { |field| good.sum { |report| report[field].to_i } }
        "#{tag} is on #{good.size == 1 ? '1 host' : "#{good.size} hosts"} after #{@seconds.to_f.round(1)} s; " \
          "#{bytes(fetched)} came through the swarm, #{bytes(fed)} over ssh"
      end

      def failed
        reports.values.reject { |report| report["good"] }
      end

      def good
        reports.values.select { |report| report["good"] }
      end

      private

      def on_host(event)
        host, state = event.values_at("host", "state")
        return @output.error("#{host} failed#{phase(event)}: #{event['reason']}") if state == "failed"

        @staged += 1 if %w[staged unchanged not_switched].include?(state)
        words = STATES[state] or return
        quiet = @hosts > SMALL_FLEET && %w[reached staging].include?(state)
        @output.public_send(quiet ? :debug : :info, "#{host} #{words}#{count(state)}")
      end

      def bytes(number)
        return "#{number} B" if number < 1000

        unit = %w[kB MB GB TB].find { |_| (number /= 1000.0) < 999.95 } || "PB"
        "#{number.round(1)} #{unit}"
      end

      def count(state)
        %w[staged unchanged].include?(state) && @hosts > 1 ? " (#{@staged} of #{@hosts})" : ""
      end

      def phase(event)
        { "reach" => " to answer", "bootstrap" => " to take murder", "stage" => " to fetch it" }
          .fetch(event["phase"], event["phase"] ? " (#{event['phase']})" : "")
      end

      def on_fleet(event)
        last = event["slowest"].first(NAMED)
        words = last.map { |host| "#{host['name']} #{host['percent'].floor} %" }.join(", ")
        return if words.empty? || words == @told
        return if @told_at && @clock.call - @told_at < PERCENT_EVERY_S

        @told = words
        @told_at = @clock.call
        more = event["slowest"].size > NAMED ? " and more" : ""
        @output.info("#{event['complete']} of #{event['hosts']} hosts have all of it; #{words}#{more}")
      end

      def on_host_report(event)
        reports[event["host"]] = event
        event.fetch("notes", []).each { |note| @output.info("#{event['host']}: #{note}") }
      end

      def on_summary(event)
        @tag = event["tag"] unless event["tag"].to_s.empty?
        @seconds = event["seconds"]
        @problem ||= event["problem"]
      end

      def on_deploy_started(event)
        @tag = event["tag"] unless event["tag"].to_s.empty?
        @output.debug("murder logs #{event['deploy']} HOST has what a host said")
      end

      def on_pruned(event)
        @pruned.concat(event["tags"])
      end

      def on_packed(event)
        @output.info("packed #{event['files']} files")
      end

      def on_finding(event)
        return if event["severity"] == "fine"

        level = event["severity"] == "PROBLEM" ? :error : :warn
        @output.public_send(level, "#{event['host']} #{event['what']}: #{event['found']}; #{event['way_out']}")
      end

      def on_warning(event)
        @output.warn(event["message"])
      end

      def on_error(event)
        @problem = event["message"]
      end
    end
  end
end
