{
  description = "llmgw: a self-hosted gateway for LLM traffic";

  inputs = {
    nixpkgs.url = "github:NixOS/nixpkgs/nixos-unstable";
    pyproject-nix = {
      url = "github:pyproject-nix/pyproject.nix";
      inputs.nixpkgs.follows = "nixpkgs";
    };
    uv2nix = {
      url = "github:pyproject-nix/uv2nix";
      inputs.pyproject-nix.follows = "pyproject-nix";
      inputs.nixpkgs.follows = "nixpkgs";
    };
    pyproject-build-systems = {
      url = "github:pyproject-nix/build-system-pkgs";
      inputs.pyproject-nix.follows = "pyproject-nix";
      inputs.uv2nix.follows = "uv2nix";
      inputs.nixpkgs.follows = "nixpkgs";
    };
  };

  # The versions are uv.lock's: uv2nix reads the workspace, so there is no second list of dependencies to keep.
  outputs =
    {
      nixpkgs,
      pyproject-nix,
      uv2nix,
      pyproject-build-systems,
      ...
    }:
    let
      inherit (nixpkgs) lib;
      systems = [
        "x86_64-linux"
        "aarch64-linux"
        "aarch64-darwin"
      ];
      eachSystem = build: lib.genAttrs systems (system: build nixpkgs.legacyPackages.${system});
      workspace = uv2nix.lib.workspace.loadWorkspace { workspaceRoot = ./.; };
      overlay = workspace.mkPyprojectOverlay { sourcePreference = "wheel"; };
      environment =
        pkgs:
        let
          base = pkgs.callPackage pyproject-nix.build.packages { python = pkgs.python313; };
          pythonSet = base.overrideScope (
            lib.composeManyExtensions [
              pyproject-build-systems.overlays.wheel
              overlay
            ]
          );
        in
        pythonSet.mkVirtualEnv "llmgw" {
          llmgw-gateway = [ ];
          llmgw-simulator = [ ];
        };
      app = pkgs: name: {
        type = "app";
        program = "${environment pkgs}/bin/${name}";
      };
    in
    {
      packages = eachSystem (pkgs: rec {
        gateway = environment pkgs;
        default = gateway;
      });

      apps = eachSystem (pkgs: rec {
        gateway = app pkgs "gateway";
        simulator = app pkgs "simulator";
        default = gateway;
      });

      devShells = eachSystem (pkgs: {
        default = pkgs.mkShell {
          packages = [
            pkgs.uv
            pkgs.python313
            pkgs.gnumake
          ];
        };
      });
    };
}
