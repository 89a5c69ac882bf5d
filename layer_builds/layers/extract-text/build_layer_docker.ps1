# Builds this folder's layer in Docker, with the one builder: .\build_layer_docker.ps1 [--runtime python3.13]
# [--architecture arm64] [--all]. The same bytes come without Docker from `python -m layer_builds build`; Docker is needed
# for packages that are built from source. This file is the same in every layer's folder.
$ErrorActionPreference = 'Stop'
$layer = Split-Path -Leaf $PSScriptRoot
Push-Location (Join-Path $PSScriptRoot '..\..\..')
try {
    $python = @('.venv\Scripts\python.exe', '.venv/bin/python') | Where-Object { Test-Path $_ } | Select-Object -First 1
    if (-not $python) { throw "There is no environment yet: run 'make env' in $PWD" }
    # Not there at all, or words on stderr that Windows PowerShell takes for an error: both mean that it is not running.
    $running = $false
    try { docker version --format '{{.Server.Version}}' *> $null; $running = $LASTEXITCODE -eq 0 } catch { }
    if (-not $running) {
        throw "Docker is not running: start it, or build without it: python -m layer_builds build $layer"
    }

    # Clean, build and zip (the builder's own folders are gone when it ends), then check as a stranger would.
    Remove-Item -Force -ErrorAction SilentlyContinue (Join-Path '.build/dist' "$layer-*.zip")
    & $python -m layer_builds build $layer --builder docker --force @args
    if ($LASTEXITCODE -ne 0) { throw "The build of layer $layer failed" }
    & $python -m layer_builds verify $layer @args
    if ($LASTEXITCODE -ne 0) { throw "Layer $layer is not as it should be" }
    New-Item -ItemType Directory -Force '.build/dist' | Out-Null
    foreach ($line in (& $python -m layer_builds digest $layer @args)) {
        $digest, $name, $target = -split $line
        $place = Join-Path '.build/dist' "$name-$target.zip"
        Copy-Item -Force (Join-Path '.build/layers' "$digest.zip") $place
        (Resolve-Path $place).Path
    }
}
finally {
    Pop-Location
}
