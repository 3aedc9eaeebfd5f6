# frozen_string_literal: true

$LOAD_PATH.unshift File.expand_path("../lib", __dir__)
require "minitest/autorun"
require "capistrano/all"
require "capistrano/murder/by_hand"
require "capistrano/murder/host_binary"
require "capistrano/murder/host_list"
require "capistrano/murder/program"
require "capistrano/murder/progress"
require "capistrano/murder/release"
require "capistrano/murder/source"

# What a backend of SSHKit would print, as "level: text".
class Said
  attr_reader :lines

  def initialize
    @lines = []
  end

  %i[debug info warn error].each do |level|
    define_method(level) { |text| @lines << "#{level}: #{text}" }
  end
end

module Servers
  def server(name, properties = {})
    Capistrano::Configuration::Server[name].tap { |made| made.with(properties) }
  end
end
