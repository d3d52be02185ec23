# One image for the server, for its migrate step and for its backups. It holds no secret and runs as an unprivileged user on a read-only file system.
FROM mcr.microsoft.com/dotnet/sdk:10.0 AS build
WORKDIR /source
COPY global.json Directory.Build.props Directory.Packages.props ./
COPY eng/ eng/
COPY src/ src/
COPY policies/ policies/
COPY docs/configuration.md docs/
RUN dotnet publish src/DataVault.Server -c Release -o /app --self-contained false \
    && cp -r policies /app/policies

# The release is named, for its PostgreSQL client programs must be those of the servers in docker-compose.yml: an older pg_dump refuses a newer server.
FROM mcr.microsoft.com/dotnet/aspnet:10.0-noble
RUN apt-get update \
    && apt-get install -y --no-install-recommends curl postgresql-client-16 \
    && rm -rf /var/lib/apt/lists/* \
    && install -d -o app -g app -m 0700 /var/lib/datavault /backup /backup/data /backup/keys
WORKDIR /app
COPY --from=build --chown=root:root /app ./
ENV ASPNETCORE_ENVIRONMENT=Production \
    ASPNETCORE_URLS=http://0.0.0.0:8080 \
    DOTNET_EnableDiagnostics=0 \
    Vault__Home=/var/lib/datavault
USER app
EXPOSE 8080
VOLUME /var/lib/datavault
HEALTHCHECK --interval=10s --timeout=3s --start-period=30s --retries=3 CMD ["curl", "-fsS", "http://127.0.0.1:8080/health/ready"]
ENTRYPOINT ["dotnet", "DataVault.Server.dll"]
