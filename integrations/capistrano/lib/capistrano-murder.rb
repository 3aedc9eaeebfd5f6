# frozen_string_literal: true

require "capistrano/scm/murder"
