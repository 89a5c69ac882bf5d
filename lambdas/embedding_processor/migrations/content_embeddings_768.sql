-- The table of the embedding_processor, its vector search, and the functions by which a document's rows change.
-- Written by `python -m ops supabase migration --dimension 768`, applied by `python -m ops supabase apply`.
-- What the functions promise is in lambdas/embedding_processor/contract.py.

create schema if not exists extensions;
create extension if not exists vector with schema extensions;
set local search_path = public, extensions;
-- Loads the library, without which nobody but a superuser may set what belongs to it on a function.
select '[1]'::vector;

create table public.content_embeddings (
    id text primary key,
    content text not null,
    key text not null,
    -- A vector of zeros has no direction: no search would find it.
    embedding vector(768) not null check (vector_norm(embedding) > 0),
    metadata jsonb not null default '{}',
    created_at timestamptz not null default now()
);
comment on table public.content_embeddings is 'One row a chunk of a document; key is <bucket>/<key>.';
create index content_embeddings_key on public.content_embeddings (key);
create index content_embeddings_metadata on public.content_embeddings using gin (metadata jsonb_path_ops);
create index content_embeddings_model on public.content_embeddings (
    (coalesce(metadata ->> 'model', '')), (coalesce(metadata ->> 'revision', '')),
    (coalesce(metadata ->> 'quantization', ''))
);
-- Half precision: half the size, and room for 4,000 dimensions where vector has 2,000.
create index content_embeddings_embedding on public.content_embeddings
    using hnsw ((embedding::halfvec(768)) halfvec_cosine_ops) with (m = 16, ef_construction = 64);

create table public.content_embedding_sources (
    key text primary key,
    sequencer text not null default '',
    generation text not null default '',
    updated_at timestamptz not null default now()
);
comment on table public.content_embedding_sources is
    'The event that each document''s rows are from. Stays when they go: an older event may still come.';

create table public.content_embeddings_staged (
    key text not null,
    generation text not null,
    id text not null,
    content text not null,
    embedding vector(768) not null,
    metadata jsonb not null,
    staged_at timestamptz not null default now(),
    primary key (key, generation, id)
);
comment on table public.content_embeddings_staged is 'Rows of long documents until they are complete. Not searched.';

create function public.content_embeddings_dimension() returns integer
language sql stable set search_path = public, extensions
as $$
    select atttypmod from pg_attribute
    where attrelid = 'public.content_embeddings'::regclass and attname = 'embedding'
$$;

-- Lock a document, and say what is known of it.
create function public.lock_content_embedding_source(source_key text, event_sequencer text)
returns table (sequencer text, generation text, outdated boolean)
language plpgsql set search_path = public, extensions
as $$
begin
    if coalesce(source_key, '') = '' then
        raise exception 'source_key is empty' using errcode = '22023';
    end if;
    if event_sequencer is null or event_sequencer !~ '^[0-9A-Fa-f]*$' then
        raise exception 'event_sequencer is not a hexadecimal number: %', event_sequencer using errcode = '22023';
    end if;
    insert into content_embedding_sources (key) values (source_key) on conflict (key) do nothing;
    return query
        select s.sequencer, s.generation,
            rpad(upper(event_sequencer), width, '0') collate "C" < rpad(upper(s.sequencer), width, '0') collate "C"
        from content_embedding_sources as s,
            lateral (select greatest(length(event_sequencer), length(s.sequencer)) as width) as w
        where s.key = source_key
        for update of s;
end
$$;

create function public.begin_content_embeddings(source_key text, event_sequencer text, source_generation text)
returns jsonb
language plpgsql set search_path = public, extensions
as $$
declare
    known record;
    staged_rows integer;
begin
    select * into known from lock_content_embedding_source(source_key, event_sequencer);
    if known.outdated then
        return jsonb_build_object('state', 'outdated', 'staged', 0);
    end if;
    if source_generation <> '' and known.generation = source_generation then
        update content_embedding_sources set sequencer = event_sequencer, updated_at = now() where key = source_key;
        return jsonb_build_object('state', 'done', 'staged', 0);
    end if;
    -- What an invocation that is over has left. One that still works on another version keeps what it has.
    delete from content_embeddings_staged
    where key = source_key and generation <> source_generation and staged_at < now() - interval '1 hour';
    select count(*) into staged_rows from content_embeddings_staged
    where key = source_key and generation = source_generation;
    return jsonb_build_object('state', 'open', 'staged', staged_rows);
end
$$;

create function public.stage_content_embeddings(source_key text, source_generation text, rows jsonb)
returns integer
language plpgsql set search_path = public, extensions
as $$
begin
    perform check_content_embedding_rows(source_key, rows);
    insert into content_embeddings_staged (key, generation, id, content, embedding, metadata)
    select source_key, source_generation, given.id, given.content, given.embedding, given.metadata
    from jsonb_to_recordset(rows) as given (id text, content text, embedding vector, metadata jsonb)
    on conflict (key, generation, id) do update
        set content = excluded.content, embedding = excluded.embedding, metadata = excluded.metadata,
            staged_at = now();
    return (select count(*) from content_embeddings_staged
            where key = source_key and generation = source_generation);
end
$$;

-- All rows of a document at once: a reader sees those of one version or those of another.
create function public.replace_content_embeddings(
    source_key text, event_sequencer text, source_generation text, rows jsonb
)
returns jsonb
language plpgsql set search_path = public, extensions
-- The API gives a call 8 s; thousands of rows take longer to get into the index.
set statement_timeout = '120s'
as $$
declare
    known record;
    written_rows integer := 0;
    removed_rows integer := 0;
begin
    perform check_content_embedding_rows(source_key, rows);
    select * into known from lock_content_embedding_source(source_key, event_sequencer);
    if known.outdated then
        delete from content_embeddings_staged where key = source_key and generation = source_generation;
        return jsonb_build_object('state', 'outdated', 'written', 0, 'removed', 0);
    end if;
    -- Recorded already: another delivery of the same event was faster, and has taken what was staged.
    if source_generation = '' or known.generation <> source_generation then
        with incoming as materialized (
            select distinct on (id) id, content, embedding, metadata from (
                select 0 as place, given.id, given.content, given.embedding, given.metadata
                from jsonb_to_recordset(rows) as given (id text, content text, embedding vector, metadata jsonb)
                union all
                select 1, s.id, s.content, s.embedding, s.metadata from content_embeddings_staged as s
                where s.key = source_key and s.generation = source_generation
            ) as every
            order by id, place
        ),
        stored as (
            insert into content_embeddings as old (id, content, key, embedding, metadata)
            select id, content, source_key, embedding, metadata from incoming
            on conflict (id) do update
                set content = excluded.content, key = excluded.key, embedding = excluded.embedding,
                    metadata = excluded.metadata
                where old.content is distinct from excluded.content or old.key is distinct from excluded.key
                    or old.embedding is distinct from excluded.embedding
                    or old.metadata is distinct from excluded.metadata
            returning 1
        ),
        gone as (
            delete from content_embeddings as old
            where old.key = source_key and old.id not in (select id from incoming)
            returning 1
        )
        select (select count(*) from stored), (select count(*) from gone) into written_rows, removed_rows;
    end if;
    delete from content_embeddings_staged where key = source_key and generation = source_generation;
    update content_embedding_sources
    set sequencer = event_sequencer, generation = source_generation, updated_at = now()
    where key = source_key;
    return jsonb_build_object('state', 'replaced', 'written', written_rows, 'removed', removed_rows);
end
$$;

create function public.check_content_embedding_rows(source_key text, rows jsonb) returns void
language plpgsql immutable set search_path = public, extensions
as $$
begin
    if rows is null or jsonb_typeof(rows) <> 'array' then
        raise exception 'rows is not a list' using errcode = '22023';
    end if;
    if exists (select from jsonb_array_elements(rows) as given where given ->> 'key' is distinct from source_key) then
        raise exception 'a row has another key than %', source_key using errcode = '22023';
    end if;
end
$$;

-- The nearest rows whose metadata contain `filter`. Vectors of two models cannot be compared: where rows of several
-- are stored, `filter` has to say whose are meant.
create function public.match_content_embeddings(
    query_embedding vector, match_count integer default 10, filter jsonb default '{}'
)
returns table (id text, key text, content text, metadata jsonb, similarity double precision)
language plpgsql stable set search_path = public, extensions
-- The index is searched on until as many rows that pass the filter are found.
set hnsw.iterative_scan = 'relaxed_order' set hnsw.ef_search = 100
as $$
declare
    models text[];
    nearest text[];
begin
    if match_count is null or match_count not between 1 and 1000 then
        raise exception 'match_count is %: it must be from 1 to 1000', match_count using errcode = '22023';
    end if;
    if vector_dims(query_embedding) <> content_embeddings_dimension() then
        raise exception 'expected % dimensions, not %', content_embeddings_dimension(), vector_dims(query_embedding)
            using errcode = '22000';
    end if;
    if jsonb_typeof(filter) is distinct from 'object' then
        raise exception 'filter is not an object' using errcode = '22023';
    end if;
    models := array(select model from content_embedding_models(filter) as model);
    if cardinality(models) > 1 then
        raise exception 'rows of % models pass the filter, and their vectors cannot be compared', cardinality(models)
            using errcode = '22023', hint = 'Name "model", "revision" and "quantization" in filter: one of '
                || array_to_string(models, ', ');
    end if;
    nearest := array(
        select c.id from content_embeddings as c where c.metadata @> filter
        order by c.embedding::halfvec(768) <=> query_embedding::halfvec(768) limit match_count
    );
    if cardinality(nearest) < match_count then
        -- The index gave up, or there are no more. Few rows pass such a filter: compare with each.
        nearest := array(
            select c.id from content_embeddings as c where c.metadata @> filter
            order by c.embedding <=> query_embedding limit match_count
        );
    end if;
    return query
        select c.id, c.key, c.content, c.metadata, 1 - (c.embedding <=> query_embedding)
        from content_embeddings as c where c.id = any (nearest)
        order by c.embedding <=> query_embedding, c.id;
end
$$;

-- The models whose rows pass a filter: from one to the next in the index, however many rows each has.
create function public.content_embedding_models(filter jsonb) returns setof text
language sql stable set search_path = public, extensions
as $$
    with recursive identities as (
        (
            select coalesce(metadata ->> 'model', '') as model, coalesce(metadata ->> 'revision', '') as revision,
                coalesce(metadata ->> 'quantization', '') as quantization
            from content_embeddings order by 1, 2, 3 limit 1
        )
        union all
        select next.* from identities as i, lateral (
            select coalesce(c.metadata ->> 'model', ''), coalesce(c.metadata ->> 'revision', ''),
                coalesce(c.metadata ->> 'quantization', '')
            from content_embeddings as c
            where (coalesce(c.metadata ->> 'model', ''), coalesce(c.metadata ->> 'revision', ''),
                   coalesce(c.metadata ->> 'quantization', '')) > (i.model, i.revision, i.quantization)
            order by 1, 2, 3 limit 1
        ) as next
    )
    select jsonb_build_object('model', model, 'revision', revision, 'quantization', quantization)::text
    from identities as i
    where model = coalesce(filter ->> 'model', model) and revision = coalesce(filter ->> 'revision', revision)
        and quantization = coalesce(filter ->> 'quantization', quantization)
        and exists (
            select from content_embeddings as c
            where c.metadata @> filter and coalesce(c.metadata ->> 'model', '') = i.model
                and coalesce(c.metadata ->> 'revision', '') = i.revision
                and coalesce(c.metadata ->> 'quantization', '') = i.quantization
        )
$$;

-- Only the service role reads and writes. It passes row level security by itself on Supabase; the policy says so where
-- it does not. Whoever opens the search to signed-in users grants `authenticated` select on the table and execute on
-- match_content_embeddings, content_embedding_models and content_embeddings_dimension, with a policy for select.
do $$
declare
    name text;
begin
    foreach name in array array['content_embeddings', 'content_embedding_sources', 'content_embeddings_staged'] loop
        execute format('alter table public.%I enable row level security', name);
        execute format('revoke all on public.%I from public, anon, authenticated, service_role', name);
        execute format('grant select, insert, update, delete on public.%I to service_role', name);
        execute format(
            'create policy "service role" on public.%I for all to service_role using (true) with check (true)', name
        );
    end loop;
    for name in
        select oid::regprocedure::text from pg_proc where pronamespace = 'public'::regnamespace and proname in (
            'content_embeddings_dimension', 'lock_content_embedding_source', 'begin_content_embeddings',
            'stage_content_embeddings', 'replace_content_embeddings', 'check_content_embedding_rows',
            'match_content_embeddings', 'content_embedding_models'
        )
    loop
        execute format('revoke all on function %s from public, anon, authenticated', name);
        execute format('grant execute on function %s to service_role', name);
    end loop;
end
$$;

-- The API learns of the new names at once.
notify pgrst, 'reload schema';
